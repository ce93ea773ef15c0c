"""Money that came by itself and could not be booked."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from services.billing.schemas.invoices import InvoiceOut
from services.billing.schemas.payments import PaymentOut
from shared.fields import MoneyField
from shared.http import InputModel

__all__ = [
    "AssignIn",
    "AssignedOut",
    "MessageOut",
    "UnallocatedEntryOut",
    "UnallocatedPaymentOut",
    "UnallocatedPaymentsOut",
    "UnallocatedRefundIn",
]


class MessageOut(BaseModel):
    """`known`: it had its effect before; `waiting`: for the payment it is about."""

    outcome: str


class UnallocatedEntryOut(BaseModel):
    """What became of a part: `assigned` to an invoice, `refunded`, or `reversed` by its source."""

    kind: str
    amount: MoneyField
    payment_id: UUID | None
    invoice_id: UUID | None
    note: str
    at: datetime
    made_by: str


class UnallocatedPaymentOut(BaseModel):
    """`named`: the invoice as the sender named it; `invoice_id`: where that is one of ours.

    `why`: `invoice_unknown`, `invoice_void`, `invoice_credited` or `currency_differs`.
    """

    id: UUID
    state: str
    why: str
    amount: MoneyField
    left: MoneyField
    source: str
    reference: str
    method: str
    named: str
    invoice_id: UUID | None
    customer_id: UUID | None
    received_on: date
    arrived_at: datetime
    entries: list[UnallocatedEntryOut]


class UnallocatedPaymentsOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[UnallocatedPaymentOut]
    next: str | None


class AssignIn(InputModel):
    """`amount` null: all that is left."""

    invoice_id: UUID
    amount: MoneyField | None = None


class AssignedOut(BaseModel):
    unallocated_payment: UnallocatedPaymentOut
    payment: PaymentOut
    invoice: InvoiceOut


class UnallocatedRefundIn(InputModel):
    """`note`: how and to where it was given back."""

    note: Annotated[str, Field(min_length=1, max_length=300)]
