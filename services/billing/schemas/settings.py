"""The seller."""

from datetime import date
from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from shared.fields import CurrencyCode, DecimalString, Email, TimeZone
from shared.http import InputModel

__all__ = ["SellerIn", "SellerOut", "VatRateIn"]

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
