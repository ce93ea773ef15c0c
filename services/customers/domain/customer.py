"""A customer: the company or person that is billed, and the tenant everything hangs on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

from shared.errors import InputInvalid

__all__ = ["EDITABLE", "Customer", "edit"]


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

    def __post_init__(self) -> None:
        if not (self.company_name or self.contact_name):
            raise InputInvalid("company_name", "either this or contact_name must be given")


EDITABLE = frozenset(f.name for f in fields(Customer)) - {
    "id",
    "version",
    "number",
    "status",
    "frozen",
}


def edit(customer: Customer, changes: Mapping[str, Any]) -> Customer:
    """Apply changes to editable fields; the same customer when nothing differs."""
    changed = replace(customer, **changes)
    return customer if changed == customer else replace(changed, version=customer.version + 1)
