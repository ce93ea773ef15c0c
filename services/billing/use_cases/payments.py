"""Money that arrives for an invoice, and invoices that nobody has to pay any more."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.billing import repository
from services.billing.domain import invoice as domain
from services.billing.domain.amending import void
from services.billing.domain.balance import Source, deposit, give_back, take
from services.billing.domain.invoice import Invoice, InvoiceState, Payment, record_payment
from services.billing.use_cases.announcements import (
    paid_event,
    partially_paid_event,
    reversed_event,
    voided_event,
)
from services.billing.use_cases.balances import SELF, Books, lock_books
from services.billing.use_cases.dispatch import issue_cancellations
from services.billing.use_cases.locking import lock_invoice
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Seen, Tx
from shared.errors import Conflict, NotFound
from shared.events import Event
from shared.money import Money
from shared.periods import local_date

__all__ = [
    "RecordPayment",
    "book_payment",
    "pay_invoice",
    "point_to_replacement",
    "return_credit",
    "reverse_payment",
    "void_invoice",
]


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """`received_on` None: today, in the seller's zone. `seen`: the caller's customers."""

    invoice_id: UUID
    amount: Money
    method: str
    reference: str
    received_on: date | None
    recorded_by: str
    seen: Seen = None


async def pay_invoice(
    tx: Tx, command: RecordPayment, *, now: datetime, new_id: NewId
) -> tuple[Invoice, Payment]:
    """Record a payment; the one that leaves nothing open makes the invoice paid.

    Raises:
        NotFound: no such invoice.
        InputInvalid, Conflict: see `record_payment`.
    """
    invoice = await lock_invoice(tx, command.invoice_id, seen=command.seen)
    await point_to_replacement(tx, invoice, "paid")
    today = local_date(now, invoice.seller["time_zone"])
    payment = Payment(
        id=new_id(),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=command.amount,
        method=command.method,
        reference=command.reference,
        received_on=command.received_on or today,
        recorded_at=now,
        recorded_by=command.recorded_by,
    )
    changed = record_payment(invoice, payment, today=today)
    await book_payment(tx, invoice, changed, payment, now=now, new_id=new_id)
    return changed, payment


async def book_payment(
    tx: Tx, invoice: Invoice, changed: Invoice, payment: Payment, *, now: datetime, new_id: NewId
) -> None:
    """Write a payment and the invoice as it is `changed` by it; its surplus becomes credit."""
    await repository.add_payments(tx, [payment])
    await repository.save_invoices(tx, [changed])
    events: list[Event] = []
    if changed.settlement > invoice.settlement:
        events.append(paid_event(changed))
    elif changed.state is InvoiceState.OPEN:
        events.append(partially_paid_event(changed))
    if surplus := changed.surplus_minor - invoice.surplus_minor:
        books = await _lock_books(tx, invoice)
        source = Source(
            new_id(),
            "overpayment",
            now,
            payment.recorded_by,
            invoice_id=invoice.id,
            payment_id=payment.id,
        )
        events.append(books.enter(deposit(books.of(invoice), surplus, source)))
        await books.save(tx)
    act = _act("invoice.pay", invoice, changed, payment=str(payment.id))
    await record(tx, payment.recorded_by, [act], events, now=now, new_id=new_id)


async def reverse_payment(
    tx: Tx, payment_id: UUID, *, reason: str, actor: str, seen: Seen, now: datetime, new_id: NewId
) -> tuple[Invoice, Payment]:
    """Take back a payment that was none: first its surplus from the balance, as far as it is there.

    Raises:
        NotFound: no such payment.
        Conflict: it is reversed already.
    """
    found = await repository.get_payment(tx, payment_id, seen=seen)
    if found is None:
        raise NotFound("payment", payment_id)
    invoice = await lock_invoice(tx, found.invoice_id, seen=seen)
    # Once more: before the lock, another could have reversed it.
    payment = await repository.get_payment(tx, payment_id, seen=seen) or found
    books = Books({})
    if invoice.surplus_minor:
        books = await _lock_books(tx, invoice)
    balance = books.of(invoice)
    back = min(payment.amount.minor, invoice.surplus_minor, balance.minor)
    today = local_date(now, invoice.seller["time_zone"])
    changed = domain.reverse_payment(invoice, payment, back_minor=back, today=today)
    events: list[Event] = []
    if invoice.state is InvoiceState.OPEN:
        events.append(partially_paid_event(changed))
    elif changed.state is InvoiceState.OPEN:
        events.append(reversed_event(invoice, changed, now))
    if back:
        source = Source(
            new_id(),
            "overpayment",
            now,
            actor,
            reason,
            invoice_id=invoice.id,
            payment_id=payment.id,
        )
        events.append(books.enter(take(balance, back, source, first_of=invoice.id)))
        await books.save(tx)
    payment = replace(payment, reversed_at=now, reversed_by=actor, reversal_reason=reason)
    await repository.save_reversal(tx, payment)
    if payment.arrival_id:
        await repository.add_arrival_reversed(tx, payment.arrival_id, payment.amount.minor)
    await repository.save_invoices(tx, [changed])
    act = _act("payment.reverse", invoice, changed, payment=str(payment.id), reason=reason)
    await record(tx, actor, [act], events, now=now, new_id=new_id)
    return changed, payment


async def void_invoice(
    tx: Tx,
    invoice_id: UUID,
    *,
    actor: str,
    seen: Seen,
    now: datetime,
    new_id: NewId,
    reason: str | None = None,
    hidden: bool = False,
) -> Invoice:
    """Void an unpaid invoice; what waited for it is dropped. `hidden`: it leaves the lists, too.

    Raises:
        NotFound: no such invoice.
        Conflict: see `void`.
    """
    invoice = await lock_invoice(tx, invoice_id, seen=seen)
    voided = void(invoice, now=now, reason=reason, hidden=hidden)
    await repository.save_invoices(tx, [voided])
    await issue_cancellations(tx, [voided], now=now, new_id=new_id)
    events: list[Event] = [voided_event(voided)]
    if voided.credit_used_minor:
        books = await _lock_books(tx, voided)
        events += await return_credit(tx, voided, books, now=now, new_id=new_id)
        await books.save(tx)
    why = {"reason": reason} if reason else {}
    act = _act("invoice.delete" if hidden else "invoice.void", invoice, voided, **why)
    await record(tx, actor, [act], events, now=now, new_id=new_id)
    return voided


async def return_credit(
    tx: Tx, voided: Invoice, books: Books, *, now: datetime, new_id: NewId
) -> list[Event]:
    """Put back what a void invoice had used of the balance, to where it came from."""
    if not voided.credit_used_minor:
        return []
    used = await repository.get_credit_used(tx, [voided.id])
    source = Source(new_id(), "invoice_voided", now, SELF, invoice_id=voided.id)
    return [books.enter(give_back(books.of(voided), used[voided.id], source))]


async def _lock_books(tx: Tx, invoice: Invoice) -> Books:
    slot = invoice.customer_id, invoice.currency
    return await lock_books(tx, [slot], used_by=[invoice.id])


async def point_to_replacement(tx: Tx, invoice: Invoice, todo: str) -> None:
    """Say which invoice is to be `todo` instead of one that it has replaced.

    Raises:
        Conflict: that is so.
    """
    if invoice.replaced_by:
        number = await repository.get_number(tx, invoice.replaced_by)
        raise Conflict(
            "invoice_void",
            f"Invoice {invoice.number} was replaced by {number}, which is to be {todo} instead.",
            replaced_by=str(invoice.replaced_by),
        )


def _act(action: str, before: Invoice, after: Invoice, **more: str) -> Act:
    return Act(
        action, "invoice", after.id, after.customer_id, _facts(before), {**_facts(after), **more}
    )


def _facts(invoice: Invoice) -> dict[str, str]:
    return {"state": str(invoice.state), "paid": invoice.money(invoice.paid_minor).amount}
