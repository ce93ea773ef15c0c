from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.events.base import Event, Part, Topic
from shared.fields import DecimalString, MoneyField

__all__ = [
    "ENTITLEMENTS",
    "INVOICE_REQUESTS",
    "SUBSCRIPTIONS",
    "EntitledProduct",
    "EntitlementsChanged",
    "EventPeriod",
    "InvoiceRequested",
    "Product",
    "RequestedLine",
    "SubscriptionActivated",
    "SubscriptionBooked",
    "SubscriptionBookingDropped",
]

INVOICE_REQUESTS = Topic("subscriptions.invoice-requests.v1")
SUBSCRIPTIONS = Topic("subscriptions.subscriptions.v1")
ENTITLEMENTS = Topic("subscriptions.entitlements.v1", compacted=True)


class EventPeriod(Part):
    """Half-open `[start, end)` in local dates of the customer's zone."""

    start: date
    end: date


class RequestedLine(Part):
    subscription_id: UUID
    title: str
    description: str = ""
    explanation: str = ""
    quantity: DecimalString = Decimal(1)
    unit: str = ""
    unit_price: DecimalString
    basis: Literal["net", "gross"]
    discount_percent: DecimalString = Decimal(0)
    vat_category: str
    cycle: Literal["monthly", "yearly", "once"]
    period: EventPeriod | None = None


class InvoiceRequested(Event, type="invoice.requested", topic=INVOICE_REQUESTS):
    """Billing is to make one invoice; the booking waits until it is paid.

    `period` of a line is absent where it starts only with the payment.
    """

    request_id: UUID
    reason: Literal["booking", "change", "renewal"]
    title: str
    currency: str
    lines: tuple[RequestedLine, ...]
    expected_total: MoneyField

    @property
    def subject(self) -> str:
        return str(self.request_id)


class Product(Part):
    kind: Literal["plan", "module"]
    id: UUID
    name: str


class _SubscriptionEvent(Event):
    subscription_id: UUID
    version: int
    product: Product

    @property
    def subject(self) -> str:
        return str(self.subscription_id)


class SubscriptionBooked(_SubscriptionEvent, type="subscription.booked", topic=SUBSCRIPTIONS):
    request_id: UUID
    cycle: Literal["monthly", "yearly", "once"]


class SubscriptionBookingDropped(
    _SubscriptionEvent, type="subscription.booking_dropped", topic=SUBSCRIPTIONS
):
    """`reason`: `invoice_voided`, or the reason billing gave for rejecting the request."""

    request_id: UUID
    reason: str


class SubscriptionActivated(_SubscriptionEvent, type="subscription.activated", topic=SUBSCRIPTIONS):
    """Access begins. `period` is absent where there is no end (free, gift, once)."""

    term: int
    origin: Literal["invoice", "free", "gift"]
    cycle: Literal["monthly", "yearly", "once"] | None = None
    period: EventPeriod | None = None
    request_id: UUID | None = None
    invoice_id: UUID | None = None
    settlement: int | None = None


class EntitledProduct(Part):
    id: UUID
    name: str
    subscription_id: UUID


class EntitlementsChanged(Event, type="entitlements.changed", topic=ENTITLEMENTS):
    """What this customer may use right now: the whole answer, not a difference.

    `paid_until` is information, exclusive; `access_until` is given only where the end is certain.
    `max_users` 0 means no limit.
    """

    version: int
    plan: EntitledProduct | None
    modules: tuple[EntitledProduct, ...]
    features: dict[str, bool | str]
    max_users: int
    over_limit: bool = False
    paid_until: date | None = None
    access_until: date | None = None
