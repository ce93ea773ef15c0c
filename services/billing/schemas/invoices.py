"""Invoices and their lines."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from shared.fields import DecimalString, MoneyField
from shared.http import InputModel

__all__ = [
    "AddresseeOut",
    "InvoiceOut",
    "InvoicesOut",
    "LineOut",
    "MailOut",
    "PeriodOut",
    "SendIn",
    "SendOut",
    "VatRowOut",
]


class PeriodOut(BaseModel):
    start: date
    end: date


class LineOut(BaseModel):
    position: int
    title: str
    description: str
    explanation: str
    quantity: DecimalString
    unit: str
    unit_price: DecimalString
    basis: str
    discount_percent: DecimalString
    vat_category: str
    vat_percent: DecimalString
    total: MoneyField
    credited: MoneyField
    subscription_id: UUID | None
    request_id: UUID | None
    period: PeriodOut | None


class VatRowOut(BaseModel):
    percent: DecimalString
    basis: str
    net: MoneyField
    vat: MoneyField
    gross: MoneyField


class AddresseeOut(BaseModel):
    """`billing_note` null: the customer's own."""

    name: str
    contact_name: str
    address_lines: list[str]
    billing_note: str | None


class MailOut(BaseModel):
    """A mail about the invoice that was sent.

    `kind`: invoice, credit_note or cancellation. `to` is null where the address has changed or was
    erased since; the deliveries have it.
    """

    kind: str
    to: str | None
    at: datetime
    resend: bool


class InvoiceOut(BaseModel):
    """`open_amount` is total - credited - credit_used - paid + surplus while it is open.

    A draft has no `number`, `invoice_date` and `opened_at`, and `due_date` only where one was set.

    - `surplus`: what went from this invoice to the customer's balance.
    - `tax_treatment_reason`: why an operator decided it; null: it follows from the facts.
    - `addressee`: what is printed instead of the customer's own name and address.
    - `corrects`: the invoice whose place it takes, or takes once it is finalised.
    - `replaced_by`: the invoice that is to be paid instead of this void one.
    - `overdue`: open, and its due date has passed in the seller's zone.
    - `hidden`: deleted, that is void and out of the lists.
    - `downloaded_at`: when a restricted caller, who is taken for the customer, first had the PDF.
    """

    id: UUID
    customer_id: UUID
    customer_name: str
    request_id: UUID | None
    number: str | None
    state: str
    version: int
    title: str
    currency: str
    language: str
    invoice_date: date | None
    due_date: date | None
    overdue: bool
    addressee: AddresseeOut | None
    tax_treatment: str
    tax_treatment_reason: str | None
    subtotal: MoneyField
    vat: list[VatRowOut]
    rounding: MoneyField
    total: MoneyField
    credited: MoneyField
    credit_used: MoneyField
    paid: MoneyField
    surplus: MoneyField
    open_amount: MoneyField
    lines: list[LineOut]
    created_at: datetime
    opened_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    void_reason: str | None
    corrects: UUID | None
    replaced_by: UUID | None
    hidden: bool
    mails: list[MailOut]
    downloaded_at: datetime | None


class SendIn(InputModel):
    """`finalize`: a draft is opened first."""

    finalize: bool = False


class SendOut(BaseModel):
    """`id` of this sending; the invoice lists its mail when it has gone out."""

    id: UUID
    invoice: InvoiceOut


class InvoicesOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[InvoiceOut]
    next: str | None
