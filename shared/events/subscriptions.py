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
    "CreditRequested",
    "EntitledProduct",
    "EntitlementsChanged",
    "EventPeriod",
    "InvoiceRequestWithdrawn",
    "InvoiceRequested",
    "LineToCredit",
    "Product",
    "RequestedLine",
    "SubscriptionActivated",
    "SubscriptionBooked",
    "SubscriptionBookingDropped",
    "SubscriptionCancellationRevoked",
    "SubscriptionCancellationScheduled",
    "SubscriptionChangeDropped",
    "SubscriptionChangeScheduled",
    "SubscriptionChanged",
    "SubscriptionExpired",
    "SubscriptionPastDue",
    "SubscriptionPeriodEdited",
    "SubscriptionResumed",
    "SubscriptionTrialEnding",
    "SubscriptionTrialStarted",
    "SubscriptionWithdrawn",
]

INVOICE_REQUESTS = Topic("subscriptions.invoice-requests.v1")
SUBSCRIPTIONS = Topic("subscriptions.subscriptions.v1")
ENTITLEMENTS = Topic("subscriptions.entitlements.v1", compacted=True)


class EventPeriod(Part):
    """Half-open `[start, end)` in local dates of the customer's zone."""

    start: date
    end: date


class RequestedLine(Part):
    """`unit_price` is negative on a line that credits unused value.

    `vat_percent` is given on such a line only: the rate that was charged on what it takes back.
    Everywhere else the seller's table says what `vat_category` means.
    """

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
    vat_percent: DecimalString | None = None
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


class InvoiceRequestWithdrawn(Event, type="invoice.request_withdrawn", topic=INVOICE_REQUESTS):
    """Nobody waits any more for these subscriptions' lines of a requested invoice.

    Billing decides under the invoice's lock: an unpaid one becomes void, replaced by one with the
    other lines where there are any; on one that is paid, in part or whole, the lines are credited.
    """

    request_id: UUID
    subscription_ids: tuple[UUID, ...]
    reason: Literal["dropped", "replaced", "lapsed", "withdrawn", "settled_otherwise"]

    @property
    def subject(self) -> str:
        return str(self.request_id)


class LineToCredit(Part):
    """`amount` is net or gross as the line at `position` is; `explanation` says how it came."""

    position: int
    amount: MoneyField
    explanation: str = ""


class CreditRequested(Event, type="credit.requested", topic=INVOICE_REQUESTS):
    """Billing is to credit unused value on the invoice that charged it, into the balance."""

    request_id: UUID
    invoice_id: UUID
    subscription_id: UUID
    lines: tuple[LineToCredit, ...]

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


class SubscriptionTrialStarted(
    _SubscriptionEvent, type="subscription.trial_started", topic=SUBSCRIPTIONS
):
    term: int
    period: EventPeriod


class SubscriptionTrialEnding(
    _SubscriptionEvent, type="subscription.trial_ending", topic=SUBSCRIPTIONS
):
    """A reminder, `ends_on` being the first day without access."""

    ends_on: date


class SubscriptionChangeScheduled(
    _SubscriptionEvent, type="subscription.change_scheduled", topic=SUBSCRIPTIONS
):
    """Without `request_id` it waits for `effective_on`, with it for the payment of an invoice.

    `free`: nothing is charged from then on, and `cycle` is the one until then.
    """

    to: Product
    cycle: Literal["monthly", "yearly", "once"]
    effective_on: date | None = None
    request_id: UUID | None = None
    free: bool = False


class SubscriptionChangeDropped(
    _SubscriptionEvent, type="subscription.change_dropped", topic=SUBSCRIPTIONS
):
    """What was scheduled or offered will not happen; everything is as before."""

    to: Product
    reason: str
    request_id: UUID | None = None


class SubscriptionChanged(_SubscriptionEvent, type="subscription.changed", topic=SUBSCRIPTIONS):
    """A new term began: another product, another cycle, or both."""

    previous: Product
    term: int
    origin: Literal["invoice", "free", "gift"]
    cycle: Literal["monthly", "yearly", "once"] | None = None
    period: EventPeriod | None = None
    request_id: UUID | None = None
    invoice_id: UUID | None = None
    settlement: int | None = None


class SubscriptionPastDue(_SubscriptionEvent, type="subscription.past_due", topic=SUBSCRIPTIONS):
    """Not paid (any more); access stays until grace is over."""

    invoice_id: UUID
    due_date: date


class SubscriptionResumed(_SubscriptionEvent, type="subscription.resumed", topic=SUBSCRIPTIONS):
    """Paid again, `period` with its dates as before."""

    term: int
    period: EventPeriod | None = None
    invoice_id: UUID
    settlement: int


class SubscriptionCancellationScheduled(
    _SubscriptionEvent, type="subscription.cancellation_scheduled", topic=SUBSCRIPTIONS
):
    """`ends_on`: the first day without access."""

    ends_on: date


class SubscriptionCancellationRevoked(
    _SubscriptionEvent, type="subscription.cancellation_revoked", topic=SUBSCRIPTIONS
):
    pass


class SubscriptionPeriodEdited(
    _SubscriptionEvent, type="subscription.period_edited", topic=SUBSCRIPTIONS
):
    period: EventPeriod
    previous: EventPeriod | None = None


class SubscriptionExpired(_SubscriptionEvent, type="subscription.expired", topic=SUBSCRIPTIONS):
    reason: Literal["trial_over", "term_over", "included_in_plan", "inclusion_over"]


class SubscriptionWithdrawn(_SubscriptionEvent, type="subscription.withdrawn", topic=SUBSCRIPTIONS):
    """Ended at once by an operator; `forfeited`: the unused value that is not reimbursed."""

    reason: str = ""
    forfeited: MoneyField | None = None


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
