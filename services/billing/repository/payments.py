"""Payments, and those that were taken back."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.billing import tables as t
from services.billing.domain.invoice import Payment
from shared.database import Seen, Tx, insert_rows, update_rows
from shared.money import Money

__all__ = [
    "add_payments",
    "get_payment",
    "get_payments",
    "get_payments_of_arrival",
    "save_reversal",
]

_PAYMENTS = (
    "SELECT p.*, i.currency FROM payments p JOIN invoices i ON i.id = p.invoice_id "
    "WHERE p.invoice_id = ANY($1) ORDER BY p.recorded_at, p.id"
)
_PAYMENT = (
    "SELECT p.*, i.currency FROM payments p JOIN invoices i ON i.id = p.invoice_id "
    "WHERE p.id = $1 AND ($2::uuid[] IS NULL OR p.customer_id = ANY($2))"
)
_OF_ARRIVAL = (
    "SELECT p.*, i.currency FROM payments p JOIN invoices i ON i.id = p.invoice_id "
    "WHERE p.arrival_id = $1 AND p.reversed_at IS NULL ORDER BY p.recorded_at DESC, p.id DESC"
)


async def add_payments(tx: Tx, payments: Iterable[Payment]) -> None:
    await insert_rows(
        tx,
        t.payments,
        [
            {
                "id": payment.id,
                "invoice_id": payment.invoice_id,
                "customer_id": payment.customer_id,
                "arrival_id": payment.arrival_id,
                "amount_minor": payment.amount.minor,
                "method": payment.method,
                "reference": payment.reference,
                "received_on": payment.received_on,
                "recorded_at": payment.recorded_at,
                "recorded_by": payment.recorded_by,
            }
            for payment in payments
        ],
    )


async def get_payments(tx: Tx, invoice_id: UUID) -> list[Payment]:
    return [_payment(row) for row in await tx.fetch(_PAYMENTS, [invoice_id])]


async def get_payments_of_arrival(tx: Tx, arrival_id: UUID) -> list[Payment]:
    """Those that are not reversed, the newest first."""
    return [_payment(row) for row in await tx.fetch(_OF_ARRIVAL, arrival_id)]


async def get_payment(tx: Tx, payment_id: UUID, *, seen: Seen = None) -> Payment | None:
    rows = await tx.fetch(_PAYMENT, payment_id, seen)
    return _payment(rows[0]) if rows else None


async def save_reversal(tx: Tx, payment: Payment) -> None:
    await update_rows(
        tx,
        t.payments,
        [
            {
                "id": payment.id,
                "reversed_at": payment.reversed_at,
                "reversed_by": payment.reversed_by,
                "reversal_reason": payment.reversal_reason,
            }
        ],
    )


def _payment(row: Any) -> Payment:
    return Payment(
        id=row.id,
        invoice_id=row.invoice_id,
        customer_id=row.customer_id,
        amount=Money(row.amount_minor, row.currency),
        method=row.method,
        reference=row.reference,
        received_on=row.received_on,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        reversed_at=row.reversed_at,
        reversed_by=row.reversed_by,
        reversal_reason=row.reversal_reason,
        arrival_id=row.arrival_id,
    )
