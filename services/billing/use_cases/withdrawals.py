"""Requests that nobody waits for any more: remembered, voided, replaced, or credited."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.billing import repository
from services.billing.domain.amending import void
from services.billing.domain.invoice import Invoice
from services.billing.domain.numbering import invoice_series
from services.billing.domain.opening import open_replacement
from services.billing.domain.withdrawal import Withdrawal, decide_withdrawal
from services.billing.use_cases.announcements import voided_event
from services.billing.use_cases.balances import Books, lock_books, open_with_credit
from services.billing.use_cases.credit_notes import Order, issue
from services.billing.use_cases.dispatch import issue_cancellations
from services.billing.use_cases.payments import return_credit
from shared.clock import NewId
from shared.database import Tx
from shared.events import Event
from shared.events.subscriptions import InvoiceRequestWithdrawn
from shared.messaging.outbox import publish
from shared.periods import local_date

__all__ = ["withdraw_requests"]


class _Decided(NamedTuple):
    invoice: Invoice
    what: Withdrawal
    reason: str


async def withdraw_requests(
    tx: Tx, events: Sequence[InvoiceRequestWithdrawn], *, now: datetime, new_id: NewId
) -> None:
    """Let go of lines of requested invoices; of each line once.

    A request that has not come yet is opened without them when it does.
    """
    await repository.lock_customers(tx, {event.customer_id for event in events})
    known = await repository.get_withdrawn(tx, [event.request_id for event in events])
    await repository.add_withdrawn(tx, events, now=now)
    fresh = {
        event.request_id: {s for s in event.subscription_ids if (event.request_id, s) not in known}
        for event in events
    }
    invoices = await repository.lock_invoices_of_requests(tx, [r for r in fresh if fresh[r]])
    decided = [
        _Decided(invoice, what, event.reason)
        for event in events
        if (invoice := invoices.get(event.request_id))
        and (what := decide_withdrawal(invoice, fresh[event.request_id]))
    ]
    slots = {(d.invoice.customer_id, d.invoice.currency) for d in decided}
    used = {d.invoice.id for d in decided if d.invoice.credit_used_minor}
    books = await lock_books(tx, slots, used_by=used)
    told = await _void(tx, decided, books, now=now, new_id=new_id)
    orders = [
        Order(d.invoice, d.what.amounts, "withdrawal", d.reason, request_id=d.invoice.request_id)
        for d in decided
        if d.what.amounts
    ]
    _, credited = await issue(tx, orders, books, now=now, new_id=new_id)
    await books.save(tx)
    await publish(tx, [*told, *credited], now=now, new_id=new_id)


async def _void(
    tx: Tx, decided: Sequence[_Decided], books: Books, *, now: datetime, new_id: NewId
) -> list[Event]:
    """Void invoices, and open those with the lines that are left, in one go."""
    todo = [d for d in decided if d.what.kind != "credit"]
    replaced = [d for d in todo if d.what.rest]
    ids: dict[UUID, UUID] = {d.invoice.id: new_id() for d in replaced}
    voided = [void(d.invoice, now=now, replaced_by=ids.get(d.invoice.id)) for d in todo]
    events: list[Event] = []
    for invoice in voided:
        events.append(voided_event(invoice))
        events += await return_credit(tx, invoice, books, now=now, new_id=new_id)
    await repository.save_invoices(tx, voided)
    await issue_cancellations(tx, voided, now=now, new_id=new_id)
    if not replaced:
        return events
    today = max(local_date(now, d.invoice.seller["time_zone"]) for d in replaced)
    series = invoice_series(await repository.get_seller(tx))
    first, invoice_date = await repository.take_numbers(tx, series, today, len(replaced))
    opened = []
    for number, d in enumerate(replaced, first):
        invoice, told = open_with_credit(
            open_replacement(
                d.invoice,
                d.what.rest,
                invoice_id=ids[d.invoice.id],
                number=series.text(today, number),
                invoice_date=invoice_date,
                now=now,
            ),
            books,
            now=now,
            new_id=new_id,
        )
        opened.append(invoice)
        events += told
    await repository.add_invoices(tx, opened)
    await repository.add_documents(tx, opened, now=now, new_id=new_id)
    return events
