"""A customer: the company or person that is billed, and the tenant everything hangs on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.customers.domain.numbers import checked_phone, checked_vat_id
from shared.errors import Conflict, InputInvalid

__all__ = [
    "EDITABLE",
    "LIFECYCLE",
    "Customer",
    "ErasedCustomer",
    "Verb",
    "checked",
    "edit",
    "erase",
    "take",
]


@dataclass(frozen=True, slots=True)
class Customer:
    """`company_name` is empty for a private person; then `contact_name` is shown.

    `billing_*` take the place of the customer's own data on invoices, where they are given.
    """

    id: UUID
    version: int
    number: str
    company_name: str
    contact_name: str
    address_lines: tuple[str, ...]
    postcode: str
    city: str
    country: str
    time_zone: str
    language: str
    currency: str
    email: str
    phone: str = ""
    website: str = ""
    vat_id: str = ""
    billing_name: str = ""
    billing_email: str = ""
    billing_address: tuple[str, ...] = ()
    billing_note: str = ""
    status: str = "active"
    frozen: bool = False

    @property
    def number_value(self) -> int:
        """The number inside the number; numbers are given in the order of creation."""
        return int(self.number.partition("-")[2])

    @property
    def shown_name(self) -> str:
        return self.company_name or self.contact_name


@dataclass(frozen=True, slots=True)
class ErasedCustomer:
    """All that is left of an erased customer, for ever."""

    id: UUID
    number: str
    version: int
    erased_at: datetime


EDITABLE = tuple(
    f.name
    for f in fields(Customer)
    if f.name not in {"id", "version", "number", "status", "frozen"}
)
"""In the order in which a spreadsheet shows them."""


def checked(customer: Customer) -> Customer:
    """The customer with what depends on its country checked, and its phone number in E.164.

    Raises:
        InputInvalid: nobody is named, or the phone number or VAT id breaks the country's rules.
    """
    if not (customer.company_name.strip() or customer.contact_name.strip()):
        raise InputInvalid("company_name", "either this or contact_name must be given")
    checked_vat_id(customer.vat_id, customer.country)
    return replace(customer, phone=checked_phone(customer.phone, customer.country))


def edit(customer: Customer, changes: Mapping[str, Any]) -> Customer:
    """Apply changes to editable fields; the same customer when nothing differs.

    Raises:
        InputInvalid: what the changes lead to breaks a rule.
    """
    changed = replace(customer, **changes)
    if changed == customer:
        return customer
    changed = checked(changed)
    return customer if changed == customer else replace(changed, version=customer.version + 1)


class Verb(StrEnum):
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"


LIFECYCLE: Mapping[Verb, tuple[str, Any]] = {
    Verb.DEACTIVATE: ("status", "deactivated"),
    Verb.REACTIVATE: ("status", "active"),
    Verb.FREEZE: ("frozen", True),
    Verb.UNFREEZE: ("frozen", False),
}
"""What each verb sets; status and freeze are independent of each other."""


def take(customer: Customer, verb: Verb) -> Customer:
    """Do it; the same customer when it is so already."""
    field, value = LIFECYCLE[verb]
    if getattr(customer, field) == value:
        return customer
    return replace(customer, **{field: value, "version": customer.version + 1})


def erase(
    customer: Customer, *, subscribed: bool, open_amounts: Sequence[str], now: datetime
) -> ErasedCustomer:
    """What stays of an erased customer.

    Raises:
        Conflict: it is active, has something booked, or owes something.
    """
    if customer.status != "deactivated":
        raise Conflict("customer_active", "Only a deactivated customer can be erased.")
    if subscribed:
        raise Conflict("customer_subscribed", "A plan or module of this customer is still live.")
    if open_amounts:
        owed = ", ".join(open_amounts)
        raise Conflict("customer_owes", f"There are open invoices: {owed}.")
    return ErasedCustomer(customer.id, customer.number, customer.version + 1, now)
