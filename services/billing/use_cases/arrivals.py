"""Money that comes by bank or provider: booked where it belongs, or kept until somebody decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.billing import repository
from services.billing.domain.arrival import (
    Arrival,
    ArrivalEntry,
    MoneyArrived,
    MoneyTakenBack,
    ProviderEvent,
    assign,
    refund_rest,
    still_to_take_back,
    take_from_rest,
    why_unallocated,
)
from services.billing.domain.invoice import Invoice, Payment, receive_payment
from services.billing.use_cases.announcements import unallocated_event
from services.billing.use_cases.locking import lock_invoice
from services.billing.use_cases.payments import book_payment, point_to_replacement, reverse_payment
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import NotFound, Unavailable
from shared.events import Event
from shared.money import Money
from shared.periods import local_date

__all__ = [
    "AssignUnallocated",
    "Outcome",
    "assign_unallocated",
    "heed_provider",
    "refund_unallocated",
]

Outcome = Literal["booked", "unallocated", "reversed", "known", "waiting", "ignored"]
"""What became of a message: `known`: it came before; `waiting`: for the payment it is about."""

_UTC = "UTC"


async def heed_provider(
    tx: Tx, source: str, event: ProviderEvent | None, *, now: datetime, new_id: NewId
) -> Outcome:
    """Do once what a provider's message says, in whatever order its messages come."""
    if event is None:
        return "ignored"
    if not await repository.add_provider_event(tx, source, event.event_id, now=now):
        return "known"
    if isinstance(event, MoneyTakenBack):
        return await _take_back(tx, source, event, now=now, new_id=new_id)
    return await _receive(tx, source, event, now=now, new_id=new_id)


async def _receive(
    tx: Tx, source: str, event: MoneyArrived, *, now: datetime, new_id: NewId
) -> Outcome:
    invoice = await _lock_meant(tx, event.named)
    zone = invoice.seller["time_zone"] if invoice else await _zone(tx)
    why = why_unallocated(invoice, event.amount.currency)
    arrival = Arrival(
        id=new_id(),
        source=source,
        reference=event.reference,
        customer_id=invoice.customer_id if invoice else None,
        invoice_id=invoice.id if invoice else None,
        named=event.named,
        amount=event.amount,
        method=event.method,
        received_on=min(local_date(event.received_at, zone), local_date(now, zone)),
        arrived_at=now,
        state="open" if why else "booked",
        why=why,
        left_minor=event.amount.minor if why else 0,
    )
    if not await repository.add_arrival(tx, arrival):
        return "known"
    if invoice and not why:
        payment = _payment(arrival, invoice, arrival.amount, arrival.source, now, new_id)
        await _book(tx, invoice, payment, now=now, new_id=new_id)
    else:
        events: list[Event] = [unallocated_event(arrival)]
        act = Act(
            "payment.unallocated",
            "unallocated_payment",
            arrival.id,
            arrival.customer_id,
            after={"amount": arrival.amount.to_dict(), "why": why, "reference": arrival.reference},
        )
        await record(tx, source, [act], events, now=now, new_id=new_id)
    # Where it was said before that the money has gone again.
    if await _converge(tx, arrival.id, now=now, new_id=new_id):
        return "reversed"
    return "unallocated" if why else "booked"


async def _lock_meant(tx: Tx, named: str) -> Invoice | None:
    """The invoice that is named, or what has replaced it; locked with its customer."""
    invoice_id = await repository.find_invoice(tx, named.strip()) if named.strip() else None
    invoice = None
    while invoice_id:
        invoice = (await repository.lock_invoices(tx, [invoice_id])).get(invoice_id)
        invoice_id = invoice.replaced_by if invoice else None
    return invoice


async def _zone(tx: Tx) -> str:
    seller = await repository.get_seller(tx)
    return seller.time_zone if seller else _UTC


async def _take_back(
    tx: Tx, source: str, event: MoneyTakenBack, *, now: datetime, new_id: NewId
) -> Outcome:
    await repository.add_provider_reversal(tx, source, event, now=now)
    arrival_id = await repository.get_arrival_id(tx, source, event.reference)
    if arrival_id is None:
        return "waiting"
    reversed_now = await _converge(tx, arrival_id, now=now, new_id=new_id)
    return "reversed" if reversed_now else "known"


async def _converge(tx: Tx, arrival_id: UUID, *, now: datetime, new_id: NewId) -> bool:
    """Take back what the source has taken back: first what is unallocated, then payments.

    Of a payment that was taken back in part, the rest is recorded anew: an invoice settles as a
    whole, so it is open again. Tells whether there was anything to do.
    """
    payments = await repository.get_payments_of_arrival(tx, arrival_id)
    await repository.lock_customers(tx, {payment.customer_id for payment in payments})
    arrival = await repository.lock_arrival(tx, arrival_id)
    if arrival is None:
        return False
    _refuse_moved(payments, await repository.get_payments_of_arrival(tx, arrival_id))
    total, reason = await repository.get_provider_reversals(tx, arrival)
    todo = still_to_take_back(arrival, total)
    if not todo:
        return False
    taken = take_from_rest(arrival, todo)
    if gone := taken.reversed_minor - arrival.reversed_minor:
        await repository.save_arrival(tx, taken)
        entry = _entry(taken, "reversed", gone, arrival.source, reason, now, new_id)
        await repository.add_arrival_entry(tx, entry)
        todo -= gone
    for payment in payments:
        if todo:
            todo -= await _take_payment(tx, taken, payment, todo, reason, now=now, new_id=new_id)
    return True


def _refuse_moved(before: Sequence[Payment], after: Sequence[Payment]) -> None:
    if {payment.id for payment in before} != {payment.id for payment in after}:
        raise Unavailable("payment_moved", "The payment is just being allocated; try again.")


async def _take_payment(
    tx: Tx,
    arrival: Arrival,
    payment: Payment,
    minor: int,
    reason: str,
    *,
    now: datetime,
    new_id: NewId,
) -> int:
    """Reverse a payment, and record anew what of it stays; returns how much has gone."""
    invoice, _ = await reverse_payment(
        tx, payment.id, reason=reason, actor=arrival.source, seen=None, now=now, new_id=new_id
    )
    gone = min(minor, payment.amount.minor)
    if kept := payment.amount.minor - gone:
        await repository.add_arrival_reversed(tx, arrival.id, -kept)
        again = _payment(arrival, invoice, arrival.money(kept), arrival.source, now, new_id)
        await _book(tx, invoice, again, now=now, new_id=new_id)
    return gone


async def _book(
    tx: Tx, invoice: Invoice, payment: Payment, *, now: datetime, new_id: NewId
) -> Invoice:
    today = local_date(now, invoice.seller["time_zone"])
    changed = receive_payment(invoice, payment, today=today)
    await book_payment(tx, invoice, changed, payment, now=now, new_id=new_id)
    return changed


def _payment(
    arrival: Arrival, invoice: Invoice, amount: Money, by: str, now: datetime, new_id: NewId
) -> Payment:
    return Payment(
        id=new_id(),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=amount,
        method=arrival.method,
        reference=f"{arrival.source} {arrival.reference}",
        received_on=arrival.received_on,
        recorded_at=now,
        recorded_by=by,
        arrival_id=arrival.id,
    )


def _entry(
    arrival: Arrival,
    kind: Literal["assigned", "refunded", "reversed"],
    minor: int,
    by: str,
    note: str,
    now: datetime,
    new_id: NewId,
    payment_id: UUID | None = None,
) -> ArrivalEntry:
    return ArrivalEntry(new_id(), arrival.id, kind, minor, payment_id, note, now, by)


@dataclass(frozen=True, slots=True)
class AssignUnallocated:
    """`amount` None: all that is left."""

    arrival_id: UUID
    invoice_id: UUID
    amount: Money | None
    by: str


async def assign_unallocated(
    tx: Tx, command: AssignUnallocated, *, now: datetime, new_id: NewId
) -> tuple[Arrival, Invoice, Payment]:
    """Book unallocated money on an invoice; on one that is paid it becomes credit.

    Raises:
        NotFound: no such payment, or invoice.
        InputInvalid: see `assign`, or the invoice has another currency.
        Conflict: nothing is left, or the invoice is void or credited.
    """
    invoice = await lock_invoice(tx, command.invoice_id)
    arrival = await _lock(tx, command.arrival_id)
    await point_to_replacement(tx, invoice, "paid")
    amount = command.amount or arrival.left
    less = assign(arrival, amount)
    payment = _payment(arrival, invoice, amount, command.by, now, new_id)
    changed = await _book(tx, invoice, payment, now=now, new_id=new_id)
    await repository.save_arrival(tx, less)
    entry = _entry(less, "assigned", amount.minor, command.by, "", now, new_id, payment.id)
    await repository.add_arrival_entry(tx, entry)
    act = _act("unallocated_payment.assign", arrival, less, invoice=invoice.number)
    await record(tx, command.by, [act], now=now, new_id=new_id)
    return less, changed, payment


async def refund_unallocated(
    tx: Tx, arrival_id: UUID, *, note: str, by: str, now: datetime, new_id: NewId
) -> Arrival:
    """Record that all that is left was given back.

    Raises:
        NotFound: no such payment.
        Conflict: nothing is left.
    """
    arrival = await _lock(tx, arrival_id)
    refunded = refund_rest(arrival)
    await repository.save_arrival(tx, refunded)
    entry = _entry(refunded, "refunded", arrival.left_minor, by, note, now, new_id)
    await repository.add_arrival_entry(tx, entry)
    act = _act("unallocated_payment.refund", arrival, refunded, note=note)
    await record(tx, by, [act], now=now, new_id=new_id)
    return refunded


async def _lock(tx: Tx, arrival_id: UUID) -> Arrival:
    arrival = await repository.lock_arrival(tx, arrival_id)
    if arrival is None or arrival.why is None:
        raise NotFound("unallocated_payment", arrival_id)
    return arrival


def _act(action: str, before: Arrival, after: Arrival, **more: str) -> Act:
    was, now_is = ({"state": a.state, "left": a.left.amount} for a in (before, after))
    return Act(action, "unallocated_payment", after.id, after.customer_id, was, {**now_is, **more})
