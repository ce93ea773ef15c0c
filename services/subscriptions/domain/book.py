"""All of one customer that decisions need, as it is under the customer's lock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.domain.ledger import LedgerPeriod, Offer, Taken, gross, unused
from services.subscriptions.domain.subscription import State, Subscription
from shared.money import Money

__all__ = ["Book", "Customer", "Policy"]


@dataclass(frozen=True, slots=True)
class Customer:
    """The facts of the copy that matter here."""

    id: UUID
    version: int
    country: str
    currency: str
    language: str
    time_zone: str
    is_company: bool = True
    vat_id: str = ""
    status: str = "active"
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """`offer_days`: after its due date an offer lapses; `reminder_days`: before a trial ends."""

    offer_days: int = 14
    reminder_days: int = 3


@dataclass(frozen=True, slots=True)
class Book:
    """Of each product the newest subscription; offers are the open ones, by subscription.

    Attributes:
        periods: the ledger of running terms, by subscription.
        tried: products of which the customer has ever had a trial.
        seller: settings of the seller, as in `settings.changed`; None before they are saved.
    """

    customer: Customer
    catalogue: Catalogue
    subscriptions: tuple[Subscription, ...] = ()
    offers: Mapping[UUID, Offer] = field(default_factory=dict)
    periods: Mapping[UUID, tuple[LedgerPeriod, ...]] = field(default_factory=dict)
    tried: frozenset[UUID] = frozenset()
    active_users: int = 0
    seller: Any = None
    policy: Policy = Policy()

    @property
    def plan(self) -> Subscription | None:
        """The one live plan."""
        return next((s for s in self.subscriptions if s.kind == "plan" and s.live), None)

    def offering(self, product_id: UUID) -> Offering:
        return self.catalogue.offerings[product_id]

    def included(self) -> frozenset[UUID]:
        """The modules that the running plan brings along."""
        plan = self.plan
        if plan is None or plan.state is State.PENDING:
            return frozenset()
        return frozenset(self.offering(plan.product_id).included_modules)

    def gross(self, taken: Iterable[Taken]) -> Money:
        """Unused value including VAT, rounded as the seller rounds totals."""
        currency = self.customer.currency
        rounding = self.seller.rounding_minor if self.seller else {}
        return gross(taken, currency, rounding.get(currency, 1))

    def unused(self, subscription: Subscription, on: date) -> list[Taken]:
        """What is paid and not used up; nothing while it is not paid."""
        unpaid = {State.PAST_DUE, State.SUSPENDED}
        if not subscription.live or not unpaid.isdisjoint(
            {subscription.state, subscription.canceled_from}
        ):
            return []
        return unused(self.periods.get(subscription.id, ()), subscription.term, on)

    def last_end(self, subscription: Subscription) -> date | None:
        """The end of the last period that has begun or is paid; None where there is no end."""
        if subscription.period is None:
            return None
        rows = self.periods.get(subscription.id, ())
        paid = (r.period.end for r in rows if (r.term, r.outcome) == (subscription.term, "billed"))
        return max([subscription.period.end, *paid])
