"""What the API takes and gives."""

from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator, model_validator

from shared.fields import CurrencyCode, DecimalString, Email, MoneyField, TimeZone
from shared.http import InputModel
from shared.invoicing import LINES_MAX

__all__ = [
    "BalanceEntryOut",
    "BalanceOut",
    "CreditNoteIn",
    "CreditNoteOut",
    "CreditNotesOut",
    "CreditResultOut",
    "CreditedLineOut",
    "InvoiceOut",
    "InvoicesOut",
    "PaymentIn",
    "PaymentOut",
    "PaymentResultOut",
    "RefundIn",
    "RefundOut",
    "ReversalIn",
    "SellerIn",
    "SellerOut",
    "VatRateIn",
]

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Text = Annotated[str, Field(max_length=100)]


class VatRateIn(InputModel):
    """`valid_to` is exclusive; null: in force until further notice."""

    country: Country
    category: Annotated[str, Field(min_length=1, max_length=40)]
    percent: Annotated[DecimalString, Field(ge=0, le=100, decimal_places=4)]
    valid_from: date
    valid_to: date | None = None


class SellerIn(InputModel):
    """`registrations`: countries where registered for VAT, the home country first."""

    company_name: Annotated[str, Field(min_length=1, max_length=100)]
    brand_name: Text = ""
    address_lines: Annotated[tuple[Text, ...], Field(max_length=6)]
    country: Country
    time_zone: TimeZone
    email: Email
    vat_id: Text = ""
    iban: Annotated[str, Field(max_length=34)] = ""
    footer: Annotated[str, Field(max_length=300)] = ""
    registrations: Annotated[tuple[Country, ...], Field(min_length=1, max_length=40)]
    vat_rates: Annotated[tuple[VatRateIn, ...], Field(max_length=500)]
    due_days: Annotated[int, Field(ge=0, le=365)] = 10
    rounding_minor: dict[CurrencyCode, Annotated[int, Field(ge=1, le=10_000)]] = {}

    @field_validator("brand_name")
    @classmethod
    def _printable(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def _rates_do_not_overlap(self) -> "SellerIn":
        by_slot: dict[tuple[str, str], list[VatRateIn]] = {}
        for rate in self.vat_rates:
            by_slot.setdefault((rate.country, rate.category), []).append(rate)
        for slot, rates in by_slot.items():
            rates.sort(key=lambda rate: rate.valid_from)
            for earlier, later in pairwise(rates):
                if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                    raise ValueError(f"vat_rates of {slot[0]} {slot[1]} must not overlap")
        return self


class SellerOut(SellerIn):
    version: int


class PaymentIn(InputModel):
    """`received_on`: today when absent; never in the future."""

    amount: MoneyField
    method: Literal["bank_transfer", "card", "cash", "other"] = "bank_transfer"
    reference: Annotated[str, Field(max_length=140)] = ""
    received_on: date | None = None


class PaymentOut(BaseModel):
    id: UUID
    amount: MoneyField
    method: str
    reference: str
    received_on: date
    recorded_at: datetime
    recorded_by: str
    reversed_at: datetime | None
    reversed_by: str | None
    reversal_reason: str | None


class ReversalIn(InputModel):
    reason: Annotated[str, Field(min_length=1, max_length=300)]


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


class PaymentResultOut(BaseModel):
    payment: PaymentOut
    invoice: InvoiceOut


class PaymentsOut(BaseModel):
    items: list[PaymentOut]


class CreditLineIn(InputModel):
    """`amount` is net or gross as the line is; null: what is left of it."""

    position: Annotated[int, Field(ge=1, le=LINES_MAX)]
    amount: MoneyField | None = None


class CreditNoteIn(InputModel):
    """`lines` null: everything that is left."""

    lines: Annotated[tuple[CreditLineIn, ...], Field(min_length=1, max_length=LINES_MAX)] | None = (
        None
    )
    reason: Annotated[str, Field(max_length=300)] = ""


class CreditedLineOut(BaseModel):
    position: int
    amount: MoneyField
    explanation: str


class CreditNoteOut(BaseModel):
    """`to_balance`: what of `total` nobody owed any more."""

    id: UUID
    invoice_id: UUID
    number: str
    issued_on: date
    reason: str
    lines: list[CreditedLineOut]
    vat: list[VatRowOut]
    rounding: MoneyField
    total: MoneyField
    to_balance: MoneyField
    created_at: datetime
    created_by: str


class CreditNotesOut(BaseModel):
    items: list[CreditNoteOut]


class CreditResultOut(BaseModel):
    credit_note: CreditNoteOut
    invoice: InvoiceOut


class RefundIn(InputModel):
    """`note`: how and to where it was paid."""

    amount: MoneyField
    note: Annotated[str, Field(max_length=300)] = ""


class RefundOut(BaseModel):
    """`balance`: what is left."""

    id: UUID
    amount: MoneyField
    balance: MoneyField


class BalanceEntryOut(BaseModel):
    """`amount` is positive where credit came in; `balance` is what there was after it."""

    id: UUID
    origin: str
    amount: MoneyField
    balance: MoneyField
    invoice_id: UUID | None
    subscription_id: UUID | None
    credit_note_id: UUID | None
    payment_id: UUID | None
    note: str
    at: datetime
    made_by: str


class BalanceOut(BaseModel):
    """`next` goes into `after` for the following page of `items`; null on the last one."""

    balances: list[MoneyField]
    items: list[BalanceEntryOut]
    next: str | None
