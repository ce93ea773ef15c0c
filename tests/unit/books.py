"""Small catalogues, customers and books for tests of decisions."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from services.subscriptions.domain.book import Book, Customer
from services.subscriptions.domain.cards import Card, cards
from services.subscriptions.domain.catalogue import Catalogue, Offering, Price
from services.subscriptions.domain.decisions import Asked, take
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import LedgerPeriod, Part
from services.subscriptions.domain.subscription import State, Subscription
from shared.events.billing import SellerVatRate, SettingsChanged
from shared.periods import Period

__all__ = [
    "ARCHIVE",
    "CATALOGUE",
    "CHAT",
    "CUSTOMER",
    "FREE",
    "LARGE",
    "NOW",
    "SELLER",
    "SETUP",
    "SMALL",
    "TODAY",
    "applied",
    "book",
    "card",
    "draft",
    "has",
    "new_ids",
    "paid_period",
    "part",
    "price",
]

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
TODAY = date(2026, 3, 15)
ARCHIVE = Offering("module", UUID(int=12), "Archive", trial_days=14)
SMALL = Offering("plan", UUID(int=1), "Small", priority=20, trial_days=30, max_users=5)
LARGE = Offering(
    "plan", UUID(int=2), "Large", priority=10, trial_days=30, included_modules=(ARCHIVE.id,)
)
FREE = Offering("plan", UUID(int=3), "Free", priority=5, is_free=True, max_users=2)
CHAT = Offering("module", UUID(int=11), "Chat", trial_days=14)
SETUP = Offering("module", UUID(int=13), "Setup")


def price(product: Offering, cycle: Any, amount: str | None, currency: str = "CHF") -> Price:
    number = int(product.id) * 10 + len(cycle) + (1000 if currency == "EUR" else 0)
    unit_price = None if amount is None else Decimal(amount)
    return Price(UUID(int=number), product.id, currency, cycle, unit_price, "net", "standard")


CATALOGUE = Catalogue(
    {o.id: o for o in (SMALL, LARGE, FREE, CHAT, ARCHIVE, SETUP)},
    (
        price(SMALL, "monthly", "30"),
        price(SMALL, "yearly", "300"),
        price(LARGE, "monthly", "90"),
        price(LARGE, "yearly", "900"),
        price(CHAT, "monthly", "10"),
        price(CHAT, "yearly", "100"),
        price(ARCHIVE, "monthly", "9"),
        price(ARCHIVE, "yearly", "90"),
        price(SETUP, "once", "600"),
        price(SMALL, "monthly", "28", "EUR"),
    ),
)
CUSTOMER = Customer(UUID(int=100), 1, "CH", "CHF", "en", "Europe/Zurich")
SELLER = SettingsChanged(
    version=1,
    company_name="Muster AG",
    brand_name="Muster",
    address_lines=("Weg 1",),
    country="CH",
    time_zone="Europe/Zurich",
    email="billing@muster.example",
    registrations=("CH",),
    vat_rates=(
        SellerVatRate(
            country="CH", category="standard", percent=Decimal("8.1"), valid_from=date(2024, 1, 1)
        ),
    ),
    due_days=30,
)


def has(product: Offering, state: State = State.ACTIVE, **different: Any) -> Subscription:
    """A subscription of a product: paid for a month around today, unless said otherwise."""
    begun = state not in {State.PENDING, State.EXPIRED, State.WITHDRAWN}
    fields: dict[str, Any] = {}
    if begun:
        fields = {
            "term": 1,
            "origin": "trial" if state is State.TRIALING else "invoice",
            "cycle": None if state is State.TRIALING else "monthly",
            "period": Period(date(2026, 3, 1), date(2026, 4, 1)),
            "anchor_day": 1,
            "invoice_id": UUID(int=70 + int(product.id)),
            "canceled_from": State.ACTIVE if state is State.CANCELING else None,
        }
    made = Subscription(
        UUID(int=int(product.id) + 500), CUSTOMER.id, product.kind, product.id, state, version=1
    )
    return replace(made, **{**fields, **different})


def part(subscription: Subscription, minor: int, **different: Any) -> Part:
    fields: dict[str, Any] = {
        "invoice_id": subscription.invoice_id or UUID(int=99),
        "position": 1,
        "currency": "CHF",
        "basis": "net",
        "vat_percent": Decimal("8.1"),
        "minor": minor,
        **different,
    }
    return Part(**fields)


def paid_period(
    subscription: Subscription, minor: int, period: Period | None = None, **different: Any
) -> LedgerPeriod:
    """Of the running term, worth a line of its invoice."""
    running = period or subscription.period
    assert running
    worth = different.pop("worth", (part(subscription, minor),))
    row = LedgerPeriod(
        subscription.id, subscription.term, running, "billed", subscription.invoice_id, worth=worth
    )
    return replace(row, **different)


def book(*mine: Subscription, **different: Any) -> Book:
    """The book of a customer who has these; `periods` and `offers` are given as lists."""
    periods: dict[UUID, tuple[LedgerPeriod, ...]] = {}
    for row in different.pop("periods", ()):
        periods[row.subscription_id] = (*periods.get(row.subscription_id, ()), row)
    offers = {offer.subscription_id: offer for offer in different.pop("offers", ())}
    fields: dict[str, Any] = {"catalogue": CATALOGUE, "seller": SELLER, **different}
    customer = fields.pop("customer", CUSTOMER)
    return Book(customer, subscriptions=mine, offers=offers, periods=periods, **fields)


def new_ids(first: int = 10_000) -> Any:
    numbers = count(first)
    return lambda: UUID(int=next(numbers))


def draft(
    of: Book, *asked: Asked, now: datetime = NOW, reason: str = "", first: int = 10_000
) -> Draft:
    """What comes of actions; all of one kind."""
    made = Draft(of, now=now, new_id=new_ids(first))
    if asked:
        take(made, of.offering(asked[0].product_id).kind, asked, reason)
    return made


def applied(made: Draft) -> Book:
    """The book after a decision was saved."""
    periods = {
        id_: {(r.term, r.period.start): r for r in rows} for id_, rows in made.book.periods.items()
    }
    for row in made.saved_periods.values():
        periods.setdefault(row.subscription_id, {})[row.term, row.period.start] = row
    return replace(
        made.book,
        subscriptions=tuple(made.subscriptions.values()),
        offers=dict(made.offers),
        periods={id_: tuple(rows.values()) for id_, rows in periods.items()},
        tried=made.book.tried | {product for product, _ in made.trials},
    )


def card(product: Offering, of: Book) -> Card:
    found = {c.offering.id: c for c in cards(product.kind, of)}
    return found[product.id]
