from typing import Literal
from uuid import UUID

from shared.events.base import Event, Topic

__all__ = ["CUSTOMERS", "CustomerCreated", "CustomerState", "CustomerUpdated"]

CUSTOMERS = Topic("customers.customers.v1", compacted=True)


class CustomerState(Event):
    """The whole customer. Personal data travels on the customers topics only."""

    customer_id: UUID
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
    status: Literal["active", "deactivated"] = "active"
    frozen: bool = False


class CustomerCreated(CustomerState, type="customer.created", topic=CUSTOMERS):
    pass


class CustomerUpdated(CustomerState, type="customer.updated", topic=CUSTOMERS):
    pass
