"""Customers as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from services.customers.domain.defaults import countries, languages
from shared.fields import CurrencyCode, Email, EmailOrEmpty, TimeZone
from shared.http import InputModel

__all__ = [
    "Country",
    "CustomerIn",
    "CustomerOut",
    "CustomerPatch",
    "CustomersOut",
    "ErasedOut",
    "without_defaults",
]

_URL = TypeAdapter(AnyHttpUrl)


def _country(value: str) -> str:
    if value not in countries():
        raise ValueError("must be an ISO 3166-1 country code such as CH")
    return value


def _language(value: str) -> str:
    if value not in languages():
        raise ValueError("must be an ISO 639-1 language code such as de")
    return value


def _without_empty_end(lines: tuple[str, ...]) -> tuple[str, ...]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def _website(value: str) -> str:
    try:
        if value:
            _URL.validate_python(value)
    except ValidationError as error:
        raise ValueError("must be an address that begins with http:// or https://") from error
    return value


Country = Annotated[str, AfterValidator(_country)]
Language = Annotated[str, AfterValidator(_language)]
Name = Annotated[str, Field(max_length=100)]
Lines = Annotated[tuple[Name, ...], Field(max_length=6), AfterValidator(_without_empty_end)]
Website = Annotated[str, Field(max_length=200), AfterValidator(_website)]


class CustomerIn(InputModel):
    """Currency, language and time zone default from the country.

    A private person has no company name. The phone number is read as dialled in the country, and
    kept as E.164; a VAT id is checked by its prefix or else by the country.
    """

    company_name: Name = ""
    contact_name: Name = ""
    address_lines: Lines = ()
    postcode: Annotated[str, Field(max_length=20)] = ""
    city: Name = ""
    country: Country
    time_zone: TimeZone | None = None
    language: Language | None = None
    currency: CurrencyCode | None = None
    email: Email
    phone: Annotated[str, Field(max_length=40)] = ""
    website: Website = ""
    vat_id: Annotated[str, Field(max_length=40)] = ""
    billing_name: Name = ""
    billing_email: EmailOrEmpty = ""
    billing_address: Lines = ()
    billing_note: Annotated[str, Field(max_length=500)] = ""


def without_defaults(schema: dict[str, Any]) -> None:
    """Absent means unchanged, so the defaults below are no values of the API."""
    for field in schema["properties"].values():
        field.pop("default", None)


class CustomerPatch(InputModel):
    """Only the fields that are to change; null is no value for any of them."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    company_name: Name = ""
    contact_name: Name = ""
    address_lines: Lines = ()
    postcode: Annotated[str, Field(max_length=20)] = ""
    city: Name = ""
    country: Country = ""
    time_zone: TimeZone = ""
    language: Language = ""
    currency: CurrencyCode = ""
    email: Email = ""
    phone: Annotated[str, Field(max_length=40)] = ""
    website: Website = ""
    vat_id: Annotated[str, Field(max_length=40)] = ""
    billing_name: Name = ""
    billing_email: EmailOrEmpty = ""
    billing_address: Lines = ()
    billing_note: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _something(self) -> "CustomerPatch":
        if not self.model_fields_set:
            raise ValueError("must name at least one field to change")
        return self

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class CustomerOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    number: str
    company_name: str
    contact_name: str
    address_lines: list[str]
    postcode: str
    city: str
    country: str
    time_zone: str
    language: str
    currency: str
    email: str
    phone: str
    website: str
    vat_id: str
    billing_name: str
    billing_email: str
    billing_address: list[str]
    billing_note: str
    status: str
    frozen: bool


class CustomersOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one.

    `total_estimate`: how many there are on all pages, exact up to 1,000; a search finds 200.
    """

    items: list[CustomerOut]
    next: str | None
    total_estimate: int


class ErasedOut(BaseModel):
    """All that is left."""

    id: UUID
    number: str
    erased_at: datetime
