"""What the API takes and gives."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.customers.domain.defaults import countries, languages
from shared.fields import CurrencyCode, Email, EmailOrEmpty, TimeZone
from shared.http import InputModel

__all__ = ["CustomerIn", "CustomerOut", "CustomerPatch", "CustomersOut"]


def _country(value: str) -> str:
    if value not in countries():
        raise ValueError("must be an ISO 3166-1 country code such as CH")
    return value


def _language(value: str) -> str:
    if value not in languages():
        raise ValueError("must be an ISO 639-1 language code such as de")
    return value


Country = Annotated[str, AfterValidator(_country)]
Language = Annotated[str, AfterValidator(_language)]
Name = Annotated[str, Field(max_length=100)]
Lines = Annotated[tuple[Name, ...], Field(max_length=6)]


class CustomerIn(InputModel):
    """Currency, language and time zone default from the country."""

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
    website: Annotated[str, Field(max_length=200)] = ""
    vat_id: Annotated[str, Field(max_length=40)] = ""
    billing_name: Name = ""
    billing_email: EmailOrEmpty = ""
    billing_address: Lines = ()
    billing_note: Annotated[str, Field(max_length=500)] = ""


def _without_defaults(schema: dict[str, Any]) -> None:
    """Absent means unchanged, so the defaults below are no values of the API."""
    for field in schema["properties"].values():
        field.pop("default", None)


class CustomerPatch(InputModel):
    """Only the fields that are to change; null is no value for any of them."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

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
    website: Annotated[str, Field(max_length=200)] = ""
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
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[CustomerOut]
    next: str | None
