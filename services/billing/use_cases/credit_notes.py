"""Credit notes: asked for by an operator or by subscriptions, or because nobody waits any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from services.billing import repository
from services.billing.domain.balance import Source, deposit, forfeit
from services.billing.domain.credit import (
    Cause,
    CreditNote,
    amounts_asked,
    amounts_requested,
    credit,
    shares,
)
from services.billing.domain.invoice import Invoice, InvoiceState
from services.billing.domain.numbering import credit_note_series
from services.billing.domain.paper import credit_note_paper
from services.billing.use_cases.announcements import (
    credit_note_event,
    credited_event,
    paid_event,
)
from services.billing.use_cases.balances import SELF, Books, lock_books
from services.billing.use_cases.locking import lock_invoice
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Seen, Tx
from shared.errors import Conflict
from shared.events import Event
from shared.events.subscriptions import CreditRequested
from shared.messaging.batch import Waiting
from shared.messaging.outbox import publish
from shared.money import Money
from shared.periods import local_date

__all__ = ["CreditInvoice", "Order", "credit_invoice", "credit_requested", "issue"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """A credit note to be made; `forfeited`: subscriptions whose credit is deleted at once."""

    invoice: Invoice
    amounts: Mapping[int, int]
    cause: Cause
    reason: str
    by: str = SELF
    request_id: UUID | None = None
    explanations: Mapping[int, str] = field(default_factory=dict)
    forfeited: frozenset[UUID] = frozenset()


async def issue(
    tx: Tx, orders: Sequence[Order], books: Books, *, now: datetime, new_id: NewId
) -> tuple[list[tuple[Invoice, CreditNote]], list[Event]]:
    """Number and write credit notes; returns them with their invoices, and what is told of them.

    The books are the caller's to save, the invoices are locked by it.

    Raises:
        Conflict: see `credit`.
    """
    if not orders:
        return [], []
    days = [local_date(now, order.invoice.seller["time_zone"]) for order in orders]
    today = max(days)
    series = credit_note_series(await repository.get_seller(tx))
    first, issued_on = await repository.take_numbers(tx, series, today, len(orders))
    made: list[tuple[Invoice, CreditNote]] = []
    events: list[Event] = []
    for number, order in enumerate(orders, first):
        invoice, note = credit(
            order.invoice,
            order.amounts,
            note_id=new_id(),
            number=series.text(today, number),
            issued_on=issued_on,
            cause=order.cause,
            reason=order.reason,
            created_at=now,
            created_by=order.by,
            request_id=order.request_id,
            explanations=order.explanations,
        )
        made.append((invoice, note))
        version = order.invoice.version + 1
        events += [
            credited_event(invoice, note, version=version),
            credit_note_event(invoice, note, version=version),
            *_into_balance(order, invoice, note, books, now=now, new_id=new_id),
        ]
        if invoice.settlement > order.invoice.settlement:
            events.append(paid_event(invoice))
    invoices = [invoice for invoice, _ in made]
    await repository.add_credit_notes(tx, [note for _, note in made])
    papers = [credit_note_paper(note) for _, note in made]
    await repository.add_papers(tx, papers, now=now, new_id=new_id)
    await repository.save_invoices(tx, invoices)
    await repository.save_credited_lines(tx, invoices)
    return made, events


def _into_balance(
    order: Order, invoice: Invoice, note: CreditNote, books: Books, *, now: datetime, new_id: NewId
) -> list[Event]:
    """What nobody owed any more becomes credit, of the subscriptions whose value it was.

    What was paid for a booking that never began is nobody's unused value: it is not forfeited.
    """
    if not note.to_balance_minor:
        return []
    parts = shares(invoice, note)
    if order.cause == "withdrawal":
        parts = [(None, note.to_balance_minor)]
    events: list[Event] = []
    for subscription_id, minor in parts:
        came = Source(
            new_id(),
            "credit_note",
            now,
            order.by,
            note.reason,
            invoice_id=invoice.id,
            subscription_id=subscription_id,
            credit_note_id=note.id,
        )
        events.append(books.enter(deposit(books.of(invoice), minor, came)))
        if subscription_id in order.forfeited:
            gone = Source(new_id(), "forfeit", now, SELF, subscription_id=subscription_id)
            events.append(books.enter(forfeit(books.of(invoice), subscription_id, gone)))
    return events


@dataclass(frozen=True, slots=True)
class CreditInvoice:
    """`lines`: position and amount of each (None: what is left of it); None: everything left."""

    invoice_id: UUID
    lines: Sequence[tuple[int, Money | None]] | None
    reason: str
    by: str
    seen: Seen = None


async def credit_invoice(
    tx: Tx, command: CreditInvoice, *, now: datetime, new_id: NewId
) -> tuple[Invoice, CreditNote]:
    """Credit an invoice, wholly or in part.

    Raises:
        NotFound: no such invoice.
        InputInvalid, Conflict: see `amounts_asked` and `credit`.
    """
    invoice = await lock_invoice(tx, command.invoice_id, seen=command.seen)
    amounts = amounts_asked(invoice, command.lines)
    books = await lock_books(tx, [(invoice.customer_id, invoice.currency)])
    order = Order(invoice, amounts, "operator", command.reason, command.by)
    ((credited, note),), events = await issue(tx, [order], books, now=now, new_id=new_id)
    await books.save(tx)
    before, after = (
        {"state": str(i.state), "credited": i.money(i.credited_minor).amount}
        for i in (invoice, credited)
    )
    act = Act(
        "invoice.credit",
        "invoice",
        invoice.id,
        invoice.customer_id,
        before,
        {**after, "credit_note": note.number, "reason": note.reason},
    )
    await record(tx, command.by, [act], events, now=now, new_id=new_id)
    return credited, note


async def credit_requested(
    tx: Tx, requests: Sequence[CreditRequested], *, now: datetime, new_id: NewId
) -> Waiting:
    """Credit unused value, each request once, and never more than is left of a line.

    Returns the customers whose invoice is not known here yet.
    """
    invoices = await repository.lock_invoices(tx, [r.invoice_id for r in requests])
    done = await repository.get_credited_requests(tx, [r.request_id for r in requests])
    withdrawn = await repository.get_withdrawn_subscriptions(
        tx, [r.subscription_id for r in requests]
    )
    orders = [
        order
        for request in requests
        if request.request_id not in done
        and (invoice := invoices.get(request.invoice_id))
        and (order := _order(request, invoice, frozenset(withdrawn)))
    ]
    slots = {(order.invoice.customer_id, order.invoice.currency) for order in orders}
    books = await lock_books(tx, slots)
    _, events = await issue(tx, orders, books, now=now, new_id=new_id)
    await books.save(tx)
    await publish(tx, events, now=now, new_id=new_id)
    return {r.customer_id for r in requests if r.invoice_id not in invoices}


def _order(request: CreditRequested, invoice: Invoice, withdrawn: frozenset[UUID]) -> Order | None:
    if invoice.customer_id != request.customer_id:
        raise Conflict("customer_differs", f"Invoice {invoice.number} is another customer's.")
    amounts = amounts_requested(invoice, [(li.position, li.amount.minor) for li in request.lines])
    if not amounts or invoice.state not in {InvoiceState.OPEN, InvoiceState.PAID}:
        log.warning("nothing to credit", invoice=invoice.number, request=str(request.request_id))
        return None
    return Order(
        invoice,
        amounts,
        "request",
        reason="",
        request_id=request.request_id,
        explanations={line.position: line.explanation for line in request.lines},
        forfeited=withdrawn,
    )
