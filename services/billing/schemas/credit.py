"""Credit notes, the credit balance and refunds."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from services.billing.schemas.invoices import InvoiceOut, VatRowOut
from shared.fields import MoneyField
from shared.http import InputModel
from shared.invoicing import LINES_MAX

__all__ = [
    "BalanceEntryOut",
    "BalanceOut",
    "CreditLineIn",
    "CreditNoteIn",
    "CreditNoteOut",
    "CreditNotesOut",
    "CreditResultOut",
    "CreditedLineOut",
    "RefundIn",
    "RefundOut",
]


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
