"""Users as the API takes and gives them, and all personal data of one customer."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.customers.domain.user import EDITABLE
from services.customers.schemas.customers import CustomerOut, without_defaults
from shared.errors import InputInvalid
from shared.fields import Email
from shared.http import InputModel

__all__ = ["PersonalDataOut", "UserIn", "UserOut", "UserPatch", "UsersOut"]

Salutation = Annotated[str, Field(max_length=20)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class UserIn(InputModel):
    """`role` is a word of the product's own, and is set only here."""

    salutation: Salutation = ""
    first_name: Name
    surname: Name
    email: Email
    role: Annotated[str, Field(max_length=50)] = ""


class UserPatch(InputModel):
    """Only the fields that are to change; there are no others that an operator may change.

    A new e-mail address sends no mail: the person may not be able to log in until told.
    """

    model_config = ConfigDict(json_schema_extra=without_defaults)

    salutation: Salutation = ""
    first_name: Name = ""
    surname: Name = ""
    email: Email = ""

    @model_validator(mode="before")
    @classmethod
    def _only_these(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if other := next((name for name in data if name not in EDITABLE), None):
                raise InputInvalid(
                    str(other)[:100].encode("ascii", "replace").decode(),
                    "may not be changed: only salutation, first_name, surname and email may",
                )
            if not data:
                raise ValueError("must name at least one field to change")
        return data

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    customer_id: UUID
    version: int
    salutation: str
    first_name: str
    surname: str
    email: str
    role: str
    active: bool


class UsersOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[UserOut]
    next: str | None


class _CustomerRecord(CustomerOut):
    created_at: datetime
    updated_at: datetime


class _UserRecord(UserOut):
    created_at: datetime
    updated_at: datetime


class _EntitlementsCopy(BaseModel):
    version: int
    subscribed: bool
    max_users: int


class _OpenInvoiceCopy(BaseModel):
    invoice_id: UUID
    number: str
    currency: str
    open_minor: int


class PersonalDataOut(BaseModel):
    """Everything that the customers service stores about a customer and its users."""

    customer: _CustomerRecord
    users: list[_UserRecord]
    entitlements: _EntitlementsCopy | None
    open_invoices: list[_OpenInvoiceCopy]
