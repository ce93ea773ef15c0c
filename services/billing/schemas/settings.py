"""The seller."""

from datetime import date
from itertools import combinations
from typing import Annotated

from pydantic import BaseModel, Field, field_validator, model_validator
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError as NumberInvalid

from shared.errors import InputInvalid
from shared.fields import CurrencyCode, DecimalString, Email, TimeZone
from shared.http import InputModel

__all__ = [
    "NumberSeriesIn",
    "NumberSeriesOut",
    "SellerIn",
    "SellerOut",
    "VatRateIn",
    "VatRateOut",
]

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Text = Annotated[str, Field(max_length=100)]


class NumberSeriesIn(InputModel):
    """`start`: the first number under a prefix that has none yet. Gapless from there on."""

    prefix: Annotated[str, Field(pattern="^[A-Z][A-Z0-9]{0,9}$")]
    yearly: bool = True
    start: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1


class VatRateIn(InputModel):
    """`valid_to` is exclusive; null: in force until further notice."""

    country: Country
    category: Annotated[str, Field(min_length=1, max_length=40)]
    percent: Annotated[DecimalString, Field(ge=0, le=100, decimal_places=4)]
    valid_from: date
    valid_to: date | None = None

    def overlaps(self, other: "VatRateIn") -> bool:
        if (self.country, self.category) != (other.country, other.category):
            return False
        ends = self.valid_to or date.max, other.valid_to or date.max
        return self.valid_from < ends[1] and other.valid_from < ends[0]


class SellerIn(InputModel):
    """`registrations`: countries where registered for VAT, the home country first."""

    company_name: Annotated[str, Field(min_length=1, max_length=100)]
    brand_name: Text = ""
    brand_color: Annotated[str, Field(pattern="^(#[0-9a-fA-F]{6})?$")] = ""
    address_lines: Annotated[tuple[Text, ...], Field(max_length=6)]
    country: Country
    time_zone: TimeZone
    email: Email
    vat_id: Text = ""
    iban: Annotated[str, Field(max_length=42)] = ""
    footer: Annotated[str, Field(max_length=300)] = ""
    registrations: Annotated[tuple[Country, ...], Field(min_length=1, max_length=40)]
    vat_rates: Annotated[tuple[VatRateIn, ...], Field(max_length=500)]
    due_days: Annotated[int, Field(ge=0, le=365)] = 10
    rounding_minor: dict[CurrencyCode, Annotated[int, Field(ge=1, le=10_000)]] = {}
    invoice_numbers: NumberSeriesIn = NumberSeriesIn(prefix="INV")
    credit_note_numbers: NumberSeriesIn = NumberSeriesIn(prefix="CN")

    @field_validator("brand_name")
    @classmethod
    def _printable(cls, value: str) -> str:
        return value.strip()

    @field_validator("iban")
    @classmethod
    def _payable(cls, value: str) -> str:
        try:
            return str(ibans.validate(value)) if value else value
        except NumberInvalid as error:
            raise ValueError("must be an IBAN, with its check digits") from error

    @field_validator("registrations")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("must name each country once")
        return value

    @model_validator(mode="after")
    def _rates_in_order(self) -> "SellerIn":
        for index, rate in enumerate(self.vat_rates):
            if rate.valid_to is not None and rate.valid_to <= rate.valid_from:
                raise InputInvalid(f"vat_rates[{index}].valid_to", "must be after valid_from")
        for (earlier, one), (later, other) in combinations(enumerate(self.vat_rates), 2):
            if one.overlaps(other):
                raise InputInvalid(
                    f"vat_rates[{later}]", f"must not overlap with vat_rates[{earlier}]"
                )
        return self

    @model_validator(mode="after")
    def _two_series(self) -> "SellerIn":
        if self.invoice_numbers.prefix == self.credit_note_numbers.prefix:
            raise InputInvalid(
                "credit_note_numbers.prefix", "must differ from that of invoice_numbers"
            )
        return self


class NumberSeriesOut(BaseModel):
    prefix: str
    yearly: bool
    start: int


class VatRateOut(BaseModel):
    country: str
    category: str
    percent: DecimalString
    valid_from: date
    valid_to: date | None


class SellerOut(BaseModel):
    """`logo_sha256`: of the picture at `/settings/seller/logo`; null: there is none."""

    company_name: str
    brand_name: str
    brand_color: str
    address_lines: tuple[str, ...]
    country: str
    time_zone: str
    email: str
    vat_id: str
    iban: str
    footer: str
    registrations: tuple[str, ...]
    vat_rates: tuple[VatRateOut, ...]
    due_days: int
    rounding_minor: dict[str, int]
    invoice_numbers: NumberSeriesOut = NumberSeriesOut(prefix="INV", yearly=True, start=1)
    credit_note_numbers: NumberSeriesOut = NumberSeriesOut(prefix="CN", yearly=True, start=1)
    version: int
    logo_sha256: str | None
