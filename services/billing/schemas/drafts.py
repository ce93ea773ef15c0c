"""What an operator writes into a draft, and does to invoices."""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Self
from uuid import UUID

from babel import Locale
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from shared.errors import InputInvalid
from shared.fields import CurrencyCode, DecimalString, MoneyField
from shared.http import InputModel
from shared.invoicing import LINES_MAX, Basis, TaxTreatment

__all__ = [
    "AddresseeIn",
    "DraftIn",
    "DraftLineIn",
    "DueDateIn",
    "FinalizeIn",
    "LineIn",
    "LinePatch",
    "NewDraftIn",
    "OrderIn",
    "VoidIn",
]


@cache
def _languages() -> frozenset[str]:
    return frozenset(map(str, Locale("en").languages))


def _language(value: str) -> str:
    if len(value) != 2 or value not in _languages():  # noqa: PLR2004 - ISO 639-1
        raise ValueError("must be an ISO 639-1 language code such as de")
    return value


def _not_zero(value: Any) -> Any:
    if not value:
        raise ValueError("must not be 0; take the line away instead")
    return value


Language = Annotated[str, AfterValidator(_language)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Position = Annotated[int, Field(ge=1, le=LINES_MAX)]
Quantity = Annotated[DecimalString, AfterValidator(_not_zero)]
Reason = Annotated[str, Field(max_length=300)]
Title = Annotated[str, Field(min_length=1, max_length=200)]


class PeriodIn(InputModel):
    """Half-open: `end` is the first day that is not charged for."""

    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError("end must be after start")
        return self


class LineIn(InputModel):
    """A negative quantity or price takes something off.

    `vat_category` is one of the seller's VAT table; its rate is that of the period's first day,
    or of the day the invoice is finalised.
    """

    title: Title
    description: Annotated[str, Field(max_length=2_000)] = ""
    quantity: Quantity = Decimal(1)
    unit: Annotated[str, Field(max_length=20)] = ""
    unit_price: DecimalString
    basis: Basis = "net"
    discount_percent: DecimalString = Decimal(0)
    vat_category: Annotated[str, Field(min_length=1, max_length=40)] = "standard"
    period: PeriodIn | None = None


class DraftLineIn(LineIn):
    """`position`: of the line of the draft whose place it takes, and whose booking it stays.

    Null: a new line. Lines of the draft that are not named are gone.
    """

    position: Position | None = None


def _without_defaults(schema: dict[str, Any]) -> None:
    """Absent means unchanged, so the defaults are no values of the API."""
    for field in schema["properties"].values():
        field.pop("default", None)


class LinePatch(InputModel):
    """Only the fields that are to change."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    title: Title = ""
    description: Annotated[str, Field(max_length=2_000)] = ""
    quantity: Quantity = Decimal(1)
    unit: Annotated[str, Field(max_length=20)] = ""
    unit_price: DecimalString = Decimal(0)
    basis: Basis = "net"
    discount_percent: DecimalString = Decimal(0)
    vat_category: Annotated[str, Field(min_length=1, max_length=40)] = ""
    period: PeriodIn | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field to change")
        return self


class AddresseeIn(InputModel):
    """Printed instead of the customer's own; `billing_note` null: the customer's own."""

    name: Name
    contact_name: Annotated[str, Field(max_length=100)] = ""
    address_lines: Annotated[tuple[Name, ...], Field(min_length=1, max_length=6)]
    billing_note: Annotated[str, Field(max_length=500)] | None = None


class _Draft(InputModel):
    """Null: `currency` and `language` are the customer's, `due_date` follows from the settings.

    Without a `title` it is called after its first line when it is finalised.
    `tax_treatment` follows from the facts; set it against them, and a reason is wanted.
    """

    currency: CurrencyCode | None = None
    language: Language | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    due_date: date | None = None
    addressee: AddresseeIn | None = None
    tax_treatment: TaxTreatment | None = None
    tax_treatment_reason: Reason | None = None

    @model_validator(mode="after")
    def _decided_for_a_reason(self) -> Self:
        if self.tax_treatment and not self.tax_treatment_reason:
            rule = "must say why it is not what follows from the facts"
            raise InputInvalid("tax_treatment_reason", rule)
        if self.tax_treatment_reason and not self.tax_treatment:
            raise InputInvalid("tax_treatment", "must be given with a reason")
        return self


class NewDraftIn(_Draft):
    customer_id: UUID
    lines: Annotated[tuple[LineIn, ...], Field(max_length=LINES_MAX)] = ()


class DraftIn(_Draft):
    """The whole draft. The customer cannot change, nor can the currency once there are lines."""

    customer_id: UUID | None = None
    lines: Annotated[tuple[DraftLineIn, ...], Field(max_length=LINES_MAX)] = ()


class OrderIn(InputModel):
    """The positions that the lines have, in the order that they are to have."""

    positions: Annotated[tuple[Position, ...], Field(max_length=LINES_MAX)]


class FinalizeIn(InputModel):
    """`expected_total`: what was shown, incl. VAT; another one now is a 409 `amount_changed`."""

    expected_total: MoneyField | None = None


class VoidIn(InputModel):
    reason: Reason = ""


class DueDateIn(InputModel):
    due_date: date
    reason: Reason = ""
