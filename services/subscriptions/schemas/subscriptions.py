from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.subscriptions.domain.catalogue import Cycle, Kind

__all__ = [
    "EntitledOut",
    "EntitlementsOut",
    "HistoryEntryOut",
    "HistoryOut",
    "PeriodOut",
    "SubscriptionOut",
    "SubscriptionsOut",
]


class PeriodOut(BaseModel):
    """Half-open `[start, end)` in local dates of the customer's zone."""

    start: date
    end: date


class SubscriptionOut(BaseModel):
    id: UUID
    customer_id: UUID
    kind: Kind
    product_id: UUID
    state: str
    version: int
    term: int
    origin: str | None
    cycle: Cycle | None
    period: PeriodOut | None


class SubscriptionsOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[SubscriptionOut]
    next: str | None


class HistoryEntryOut(BaseModel):
    """Who did what, when and why. `actor`: a caller, or `billing`, `customers`, `clock`."""

    version: int
    at: datetime
    actor: str
    reason: str
    event: str
    before: dict[str, Any] | None
    after: dict[str, Any]


class HistoryOut(BaseModel):
    """Newest first. `next` goes into `after` for the following page; null on the last one."""

    items: list[HistoryEntryOut]
    next: str | None


class EntitledOut(BaseModel):
    id: UUID
    name: str
    subscription_id: UUID


class EntitlementsOut(BaseModel):
    """What the customer may use right now. `max_users` 0 means no limit."""

    customer_id: UUID
    version: int
    plan: EntitledOut | None
    modules: list[EntitledOut]
    features: dict[str, bool | str]
    max_users: int
    over_limit: bool
    paid_until: date | None
    access_until: date | None
