from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.base import Event, Topic

__all__ = [
    "CUSTOMERS",
    "STATES",
    "USERS",
    "CustomerCreated",
    "CustomerDeactivated",
    "CustomerErased",
    "CustomerFrozen",
    "CustomerReactivated",
    "CustomerState",
    "CustomerUnfrozen",
    "CustomerUpdated",
    "UserAdded",
    "UserDeactivated",
    "UserErased",
    "UserReactivated",
    "UserState",
    "UserUpdated",
]

CUSTOMERS = Topic("customers.customers.v1", compacted=True)
USERS = Topic("customers.users.v1", compacted=True)


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


class CustomerDeactivated(CustomerState, type="customer.deactivated", topic=CUSTOMERS):
    """No new bookings from here on; paid time and open invoices stay."""


class CustomerReactivated(CustomerState, type="customer.reactivated", topic=CUSTOMERS):
    pass


class CustomerFrozen(CustomerState, type="customer.frozen", topic=CUSTOMERS):
    """Nothing that only time makes due happens to this customer until it is unfrozen."""


class CustomerUnfrozen(CustomerState, type="customer.unfrozen", topic=CUSTOMERS):
    pass


STATES: tuple[type[CustomerState], ...] = (
    CustomerCreated,
    CustomerUpdated,
    CustomerDeactivated,
    CustomerReactivated,
    CustomerFrozen,
    CustomerUnfrozen,
)
"""All that carry the whole customer: a copy treats them alike."""


class CustomerErased(Event, type="customer.erased", topic=CUSTOMERS):
    """Nothing personal is left of this customer; who keeps a copy erases it too.

    It is the last message of its key and stays on the topic: the permanent record.
    """

    version: int
    erased_at: datetime


class UserState(Event):
    """The whole user: a person of a customer, who logs in to the product that is sold."""

    user_id: UUID
    version: int
    salutation: str = ""
    first_name: str
    surname: str
    email: str
    role: str = ""
    active: bool = True

    @property
    def key(self) -> str:
        return str(self.user_id)


class UserAdded(UserState, type="user.added", topic=USERS):
    pass


class UserUpdated(UserState, type="user.updated", topic=USERS):
    pass


class UserDeactivated(UserState, type="user.deactivated", topic=USERS):
    pass


class UserReactivated(UserState, type="user.reactivated", topic=USERS):
    pass


class UserErased(Event, type="user.erased", topic=USERS):
    """Erased together with the customer; the last message of its key."""

    user_id: UUID
    version: int
    erased_at: datetime

    @property
    def key(self) -> str:
        return str(self.user_id)
