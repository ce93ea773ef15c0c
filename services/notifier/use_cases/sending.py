"""Sending what is due: intent committed, handed to the mail server, result committed."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import structlog

from services.notifier import repository, tables
from services.notifier.domain.delivery import after_failure
from services.notifier.mails.build import Attachment, Envelope, build_mail
from services.notifier.mails.kinds import MailContent
from services.notifier.repository import KnownInvoice
from services.notifier.settings import NotifierSettings
from services.notifier.use_cases.contents import content_of
from shared.clock import Clock, NewId
from shared.database import Database, Tx
from shared.due_work import claim_due, finish, held
from shared.events import Event
from shared.events.notifier import EmailFailed, EmailSent
from shared.failpoints import failpoint
from shared.messaging.outbox import publish
from shared.retries import SendFailure
from shared.smtp import Mailer
from shared.storage import DocumentStore
from shared.tracing import continued

__all__ = ["send_due_mails"]

log = structlog.get_logger()

_ADDRESS = re.compile(r"[^\s<>,;:]+@[^\s<>,;:]+")


@dataclass(frozen=True, slots=True)
class _Addressed:
    """To whom, and the version of the customer that says so."""

    recipient: str
    customer_version: int | None


async def send_due_mails(
    database: Database,
    store: DocumentStore,
    mailer: Mailer,
    settings: NotifierSettings,
    *,
    clock: Clock,
    new_id: NewId,
) -> bool:
    """Send a batch of mails, all at the same time; tells whether there were any."""
    async with database.transaction() as tx:
        claimed = await claim_due(tx, tables.deliveries, now=clock(), limit=settings.send_at_once)
        customers = await repository.get_customers(tx, [row.customer_id for row in claimed])
        invoices = await _invoices_of(tx, claimed)
        seller = await repository.get_seller(tx)

    async def send(row: Any) -> None:
        with continued("send mail", row.correlation):
            await send_one(row)

    async def send_one(row: Any) -> None:
        if row.kind == "invoice" and invoices[row.invoice_id].void:
            await _withdraw(database, row)
            return
        customer = customers.get(row.customer_id)
        recipient = _recipient(customer)
        message: EmailMessage | None = None
        failure: SendFailure | None
        if seller is None:
            failure = SendFailure(None, "the seller's settings have not arrived yet")
        elif not recipient:
            failure = SendFailure(550, "there is no e-mail address to send to")
        else:
            try:
                content = content_of(row, customer, invoices, seller)
                message = await _build(row, customer, content, store, settings)
            except Exception as error:  # whatever it is, it must not hold up the others' mails
                log.exception("mail not built", delivery=str(row.id))
                permanent = isinstance(error, ValueError)
                failure = SendFailure(550 if permanent else None, str(error))
            else:
                failure = await mailer.send(message)
        failpoint("sender.before_result")
        version = customer["version"] if customer and recipient else None
        await _finish(
            database,
            row,
            _Addressed(recipient, version),
            message,
            failure,
            now=clock(),
            new_id=new_id,
        )

    async with held(database, tables.deliveries, claimed, clock=clock):
        await asyncio.gather(*(send(row) for row in claimed))
    return bool(claimed)


def _recipient(customer: Any) -> str:
    """The billing e-mail, else the customer's, as known when sending."""
    if not customer or _erased(customer):
        return ""
    return str(customer["billing_email"] or customer["email"])


def _erased(customer: Any) -> bool:
    return bool(customer["status"] == "erased")


async def _invoices_of(tx: Tx, rows: Sequence[Any]) -> dict[UUID, KnownInvoice]:
    """The invoices that mails are about, and those that replace a void one."""
    invoices = await repository.get_invoices(tx, [row.invoice_id for row in rows])
    others = [i.replaced_by for i in invoices.values() if i.replaced_by]
    return invoices | (await repository.get_invoices(tx, others) if others else {})


async def _withdraw(database: Database, row: Any) -> None:
    """Nobody has to pay it any more: hold back its mail."""
    async with database.transaction() as tx:
        await finish(tx, tables.deliveries, row, state="withdrawn")


async def _build(
    row: Any, customer: Any, content: MailContent, store: DocumentStore, settings: NotifierSettings
) -> EmailMessage:
    pdf = await store.get(row.storage_key)
    envelope = Envelope(
        sender_name=content.seller_name,
        sender_address=settings.mail_from or content.reply_contact,
        recipient_name=content.buyer_name,
        recipient_address=_recipient(customer),
        message_id=row.message_id,
        # The day the mail was decided on: the same bytes at every attempt.
        date=row.created_at,
        attachments=(Attachment(filename=row.filename, media_type="application/pdf", content=pdf),),
    )
    return await asyncio.to_thread(build_mail, content, envelope)


async def _finish(
    database: Database,
    row: Any,
    addressed: _Addressed,
    message: EmailMessage | None,
    failure: SendFailure | None,
    *,
    now: datetime,
    new_id: NewId,
) -> None:
    values: dict[str, Any]
    event: Event | None = None
    recipient = addressed.recipient
    if failure is None and message is not None:
        values = {"state": "sent", "sent_at": now, "subject": str(message["Subject"])}
        event = EmailSent(
            customer_id=row.customer_id,
            delivery_id=row.id,
            kind=row.kind,
            invoice_id=row.invoice_id,
            message_id=row.message_id,
            attempts=row.attempts,
            sent_at=now,
            resend=row.resend,
            customer_version=addressed.customer_version,
        )
    else:
        failure = failure or SendFailure(None, "nothing was built")
        outcome = after_failure(failure, row.attempts, now=now)
        words = failure.words if failure.code is None else f"{failure.code} {failure.words}"
        log.warning("mail not sent", delivery=str(row.id), attempts=row.attempts, code=failure.code)
        values = {"state": outcome.state, "next_at": outcome.next_at, "last_error": words[:1000]}
        if outcome.state == "parked":
            event = EmailFailed(
                customer_id=row.customer_id,
                delivery_id=row.id,
                kind=row.kind,
                invoice_id=row.invoice_id,
                # Servers quote addresses, in a spelling of theirs; those stay on customers' topics.
                reason=_ADDRESS.sub("<address>", words)[:300],
                attempts=row.attempts,
            )
    async with database.transaction() as tx:
        customer = (await repository.lock_customers(tx, [row.customer_id])).get(row.customer_id)
        if customer and _erased(customer):  # while the mail was on its way: nothing personal stays
            recipient = ""
            values |= dict.fromkeys(values.keys() & {"subject", "last_error"})
        mine = await finish(tx, tables.deliveries, row, recipient=recipient or None, **values)
        if mine and event:
            await publish(tx, [event], now=now, new_id=new_id)
