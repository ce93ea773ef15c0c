"""A decision in the making: starts from the book, collects what will be different.

What has been collected is what a preview shows and what is saved; there is no third thing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.catalogue import Kind
from services.subscriptions.domain.ledger import LedgerPeriod, Offer, Taken
from services.subscriptions.domain.pricing import Charge, title_of
from services.subscriptions.domain.subscription import (
    TRANSITIONS,
    State,
    Subscription,
    Trigger,
    moved,
)
from shared.clock import NewId
from shared.errors import Conflict
from shared.events import Event, topics
from shared.events.subscriptions import (
    SUBSCRIPTIONS,
    CreditRequested,
    EventPeriod,
    InvoiceRequested,
    InvoiceRequestWithdrawn,
    LineToCredit,
    Product,
    RequestedLine,
)
from shared.money import Money
from shared.periods import Period, local_date

__all__ = ["Draft", "Step", "period_part"]

Withdrawal = Literal["dropped", "replaced", "lapsed", "withdrawn", "settled_otherwise"]
_TYPES: Mapping[str, Any] = topics()[SUBSCRIPTIONS]


def period_part(period: Period | None) -> EventPeriod | None:
    return EventPeriod(start=period.start, end=period.end) if period else None


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a subscription's life, or what else its history tells of.

    Attributes:
        offer: what is offered or let go of by it.
        reason: why, where no operator gives one.
    """

    before: Subscription | None
    after: Subscription
    event: str
    offer: Offer | None = None
    reason: str = ""


class Draft:
    """What is being decided about one customer.

    Attributes:
        subscriptions: as they are after the steps so far, by id.
        offers: the open ones after the steps so far, by subscription.
        saved_offers, saved_periods, trials: rows to write.
        charges: what was priced, for the answer.
        forfeited: unused value that nobody gets back.
    """

    def __init__(self, book: Book, *, now: datetime, new_id: NewId) -> None:
        self.book, self.now, self.new_id = book, now, new_id
        self.subscriptions = {s.id: s for s in book.subscriptions}
        self.offers = dict(book.offers)
        self.steps: list[Step] = []
        self.saved_offers: dict[tuple[UUID, UUID], Offer] = {}
        self.saved_periods: dict[tuple[UUID, int, date], LedgerPeriod] = {}
        self.trials: list[tuple[UUID, UUID]] = []
        self.charges: list[Charge] = []
        self.requests: list[InvoiceRequested] = []
        self.forfeited: Money | None = None
        self.priced = False
        self._events: list[Event] = []
        self._withdrawn: dict[tuple[UUID, Withdrawal], list[UUID]] = {}
        self._returned: list[Taken] = []
        self._told: list[Event] = []

    @property
    def today(self) -> date:
        """The day where the customer is."""
        return local_date(self.now, self.book.customer.time_zone)

    @property
    def nothing(self) -> bool:
        return not (self.steps or self.saved_offers or self.saved_periods)

    # -- steps -------------------------------------------------------------------------------

    def product(self, kind: Kind, product_id: UUID) -> Product:
        return Product(kind=kind, id=product_id, name=self.book.offering(product_id).name)

    def step(
        self,
        subscription: Subscription,
        trigger: Trigger,
        facts: Mapping[str, Any] | None = None,
        *,
        new: bool = False,
        offer: Offer | None = None,
        reason: str = "",
        **changes: Any,
    ) -> Subscription:
        """Take an edge; `facts` are the event's own, `changes` the subscription's.

        `offer` and `reason` are for the history; without one, the event's own reason is.

        Raises:
            TransitionImpossible: there is no such edge.
        """
        after = moved(subscription, trigger, new=new, **changes)
        kind = TRANSITIONS[None if new else subscription.state, trigger][1]
        self._events.append(
            _TYPES[kind](
                customer_id=after.customer_id,
                subscription_id=after.id,
                version=after.version,
                product=self.product(after.kind, after.product_id),
                **(facts or {}),
            )
        )
        why = reason or (facts or {}).get("reason", "")
        self.steps.append(Step(None if new else subscription, after, kind, offer, why))
        self.subscriptions[after.id] = after
        return after

    def note(
        self, subscription: Subscription, event: str, reason: str = "", **changes: Any
    ) -> None:
        """Something for the history that is no edge, and that nobody else is told."""
        after = replace(subscription, **changes)
        self.steps.append(Step(subscription, after, event, reason=reason))
        self.subscriptions[after.id] = after

    def save_offer(self, offer: Offer) -> None:
        self.saved_offers[offer.request_id, offer.subscription_id] = offer
        if offer.state == "open":
            self.offers[offer.subscription_id] = offer
        elif self.offers.get(offer.subscription_id, offer).request_id == offer.request_id:
            self.offers.pop(offer.subscription_id, None)

    def save_period(self, row: LedgerPeriod) -> None:
        self.saved_periods[row.subscription_id, row.term, row.period.start] = row

    def last_end(self, subscription: Subscription) -> date:
        """The end of the last period that has begun or is paid.

        Raises:
            Conflict: it has no end.
        """
        end = self.book.last_end(subscription)
        if end is None:
            raise Conflict("action_not_offered", "It has no end.")
        return end

    def periods_of(self, subscription: Subscription) -> tuple[LedgerPeriod, ...]:
        """The ledger of the running term as it was before this decision."""
        rows = self.book.periods.get(subscription.id, ())
        return tuple(row for row in rows if row.term == subscription.term)

    # -- what billing is asked for -------------------------------------------------------------

    def withdraw_request(self, request_id: UUID, subscription_id: UUID, why: Withdrawal) -> None:
        self._withdrawn.setdefault((request_id, why), []).append(subscription_id)

    def give_back(self, taken: Iterable[Taken]) -> None:
        """Have unused value credited on the invoices that charged it."""
        self._returned += taken

    def ask_for_invoice(
        self,
        request_id: UUID,
        lines: Iterable[RequestedLine],
        total: Money,
        reason: Literal["booking", "change"],
        products: Iterable[UUID],
    ) -> None:
        titles = [title_of(self.book.offering(product), self.book) for product in products]
        self.requests.append(
            InvoiceRequested(
                customer_id=self.book.customer.id,
                request_id=request_id,
                reason=reason,
                title=" + ".join(titles),
                currency=total.currency,
                lines=tuple(lines),
                expected_total=total,
            )
        )

    # -- what came of it -----------------------------------------------------------------------

    @property
    def credit(self) -> Money:
        """Unused value that is credited, by lines or into the balance, including VAT."""
        # What an offer keeps for the balance goes there only when it is paid.
        kept = [t for charge in self.charges for t in (*charge.used, *charge.rest)]
        given = [t for t in self._returned if t not in kept]
        return self.book.gross((*kept, *given))

    def events(self) -> list[Event]:
        """Everything to publish, in order; asked for when all is decided."""
        if self._told:
            return self._told
        told: list[Event] = list(self._events)
        told += [
            InvoiceRequestWithdrawn(
                customer_id=self.book.customer.id,
                request_id=request_id,
                subscription_ids=tuple(subscriptions),
                reason=why,
            )
            for (request_id, why), subscriptions in self._withdrawn.items()
        ]
        told += self._credits()
        self._told = [*told, *self.requests]
        return self._told

    def _credits(self) -> Iterable[CreditRequested]:
        """One request per invoice and subscription, one line per position."""
        grouped: dict[tuple[UUID, UUID], dict[int, list[Taken]]] = {}
        for taken in self._returned:
            key = taken.part.invoice_id, taken.subscription_id
            grouped.setdefault(key, {}).setdefault(taken.part.position, []).append(taken)
        for (invoice_id, subscription_id), positions in grouped.items():
            yield CreditRequested(
                customer_id=self.book.customer.id,
                request_id=self.new_id(),
                invoice_id=invoice_id,
                subscription_id=subscription_id,
                lines=tuple(
                    LineToCredit(
                        position=position,
                        amount=Money(sum(t.minor for t in taken), taken[0].part.currency),
                        explanation="; ".join(t.formula for t in taken),
                    )
                    for position, taken in positions.items()
                ),
            )

    # -- what several decisions do -------------------------------------------------------------

    def drop_offer(
        self,
        subscription: Subscription,
        reason: str,
        withdrawn: Withdrawal | None,
        *,
        detail: str = "",
    ) -> Subscription:
        """Let go of the open offer, if there is one; everything else stays as it is.

        Args:
            withdrawn: why billing is told to let go of its invoice; None when it did that itself.
            detail: the reason in words, for the history.
        """
        offer = self.offers.get(subscription.id)
        if offer is None:
            return subscription
        self.save_offer(replace(offer, state="dropped"))
        if withdrawn:
            self.withdraw_request(offer.request_id, subscription.id, withdrawn)
        facts: dict[str, Any] = {"request_id": offer.request_id, "reason": reason}
        if not offer.is_change:
            trigger = Trigger.DROP_BOOKING
        else:
            trigger = Trigger.DROP_CHANGE
            facts["to"] = self.product(subscription.kind, offer.product_id)
        return self.step(subscription, trigger, facts, offer=offer, reason=detail)

    def drop_scheduled(self, subscription: Subscription, reason: str) -> Subscription:
        """Let go of the scheduled change, if there is one."""
        if subscription.scheduled is None:
            return subscription
        to = self.product(subscription.kind, subscription.scheduled.product_id)
        facts = {"to": to, "reason": reason}
        return self.step(subscription, Trigger.DROP_CHANGE, facts, scheduled=None)

    def drop_waiting(
        self, subscription: Subscription, reason: str, withdrawn: Withdrawal
    ) -> Subscription:
        """Let go of whatever waits beside it."""
        return self.drop_scheduled(self.drop_offer(subscription, reason, withdrawn), reason)

    def drop_other_plans(self, keep: UUID | None, reason: str) -> None:
        """Let go of offers for plans that are over: only one plan may come of all this."""
        for subscription_id in list(self.offers):
            other = self.subscriptions.get(subscription_id)
            if other and other.kind == "plan" and other.id != keep and not other.live:
                self.drop_offer(other, reason, "replaced")

    def drop_leaning(self, subscription: Subscription) -> None:
        """Let go of offers that credit this one's value, which now goes elsewhere: given once."""
        for other_id, offer in list(self.offers.items()):
            taken = {one.subscription_id for one in (*offer.used, *offer.rest)}
            if other_id != subscription.id and subscription.id in taken:
                self.drop_offer(self.subscriptions[other_id], "credit_gone", "replaced")

    def live_modules(self) -> list[Subscription]:
        return [s for s in self.subscriptions.values() if s.kind == "module" and s.live]

    def fresh(self, kind: Kind, product_id: UUID) -> Subscription:
        """A subscription that is not there yet; its first step must say `new`."""
        customer_id = self.book.customer.id
        return Subscription(self.new_id(), customer_id, kind, product_id, State.PENDING, version=0)
