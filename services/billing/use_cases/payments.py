"""Money that arrives for an invoice, and invoices that nobody has to pay any more."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.billing import repository
from services.billing.domain.invoice import Invoice, InvoiceState, Payment, record_payment, void
from services.billing.use_cases.announcements import (
    paid_event,
    partially_paid_event,
    voided_event,
)
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Seen, Tx
from shared.errors import NotFound
from shared.money import Money
from shared.periods import local_date

__all__ = ["RecordPayment", "pay_invoice", "void_invoice"]


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
    invoice = await _lock(tx, command.invoice_id, command.seen)
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
    await repository.add_payments(tx, [payment])
    await repository.save_invoices(tx, [changed])
    event = (
        paid_event(changed) if changed.state is InvoiceState.PAID else partially_paid_event(changed)
    )
    act = _act("invoice.pay", invoice, changed, payment=str(payment.id))
    await record(tx, command.recorded_by, [act], [event], now=now, new_id=new_id)
    return changed, payment


async def void_invoice(
    tx: Tx, invoice_id: UUID, *, actor: str, seen: Seen, now: datetime, new_id: NewId
) -> Invoice:
    """Void an unpaid invoice; what waited for it is dropped.

    Raises:
        NotFound: no such invoice.
        Conflict: see `void`.
    """
    invoice = await _lock(tx, invoice_id, seen)
    voided = void(invoice, now=now)
    await repository.save_invoices(tx, [voided])
    act, event = _act("invoice.void", invoice, voided), voided_event(voided)
    await record(tx, actor, [act], [event], now=now, new_id=new_id)
    return voided


def _act(action: str, before: Invoice, after: Invoice, **more: str) -> Act:
    return Act(
        action, "invoice", after.id, after.customer_id, _facts(before), {**_facts(after), **more}
    )


def _facts(invoice: Invoice) -> dict[str, str]:
    return {"state": str(invoice.state), "paid": invoice.money(invoice.paid_minor).amount}


async def _lock(tx: Tx, invoice_id: UUID, seen: Seen) -> Invoice:
    invoice = (await repository.lock_invoices(tx, [invoice_id], seen=seen)).get(invoice_id)
    if invoice is None:
        raise NotFound("invoice", invoice_id)
    return invoice
