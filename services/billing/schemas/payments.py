"""Payments and what takes them back."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.billing.schemas.invoices import InvoiceOut
from shared.fields import MoneyField
from shared.http import InputModel

__all__ = ["PaymentIn", "PaymentOut", "PaymentResultOut", "PaymentsOut", "ReversalIn"]


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


class PaymentResultOut(BaseModel):
    payment: PaymentOut
    invoice: InvoiceOut


class PaymentsOut(BaseModel):
    items: list[PaymentOut]
