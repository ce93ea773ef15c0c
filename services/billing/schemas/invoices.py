"""Invoices and their lines."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from shared.fields import DecimalString, MoneyField

__all__ = ["InvoiceOut", "InvoicesOut", "LineOut", "PeriodOut", "VatRowOut"]


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


class InvoiceOut(BaseModel):
    """`open_amount` is total - credited - credit_used - paid + surplus while it is open.

    `surplus`: what went from this invoice to the customer's balance. `replaced_by`: the invoice
    that is to be paid instead of this void one.
    """

    id: UUID
    customer_id: UUID
    request_id: UUID | None
    number: str
    state: str
    version: int
    title: str
    currency: str
    language: str
    invoice_date: date
    due_date: date
    tax_treatment: str
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
    opened_at: datetime
    paid_at: datetime | None
    voided_at: datetime | None
    replaced_by: UUID | None


class InvoicesOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[InvoiceOut]
    next: str | None
