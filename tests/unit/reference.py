"""What a customer may use, said again in the words of the product: no states, no tables.

A customer has at most one plan and any modules; each stands on a trial, a gift, nothing (free) or
money. That is a `Grant`. Beside it an offer may wait. Written from the rules, not from the code.
"""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.domain.catalogue import Offering

__all__ = ["Grant", "Reference", "Waiting", "value_of"]

_OFFER_DAYS, _DUE_DAYS = 14, 30


@dataclass
class Grant:
    """Something that may be used.

    Attributes:
        source: trial, free, gift or paid.
        until: first day without it, or of what would be the next period; None: never.
        ends: whether it is over on that day.
        worth: minor units that each part of what was paid comes to, net.
        given: what of it was credited or given back.
        invoice: that it stands on; `asked`: the request of a period that began unpaid.
        owed: the payment has gone back.
        then: what it becomes on that day: product, cycle.
    """

    product: Offering
    source: str
    since: date
    until: date | None = None
    ends: bool = False
    cycle: str | None = None
    worth: list[int] = field(default_factory=list)
    given: int = 0
    invoice: UUID | None = None
    asked: UUID | None = None
    owed: bool = False
    then: tuple[Offering, str | None] | None = None

    def unused(self, today: date) -> int:
        if self.source != "paid" or self.owed or self.until is None or self.until <= today:
            return 0
        left, days = (self.until - max(today, self.since)).days, (self.until - self.since).days
        return sum((2 * minor * left + days) // (2 * days) for minor in self.worth)


@dataclass
class Waiting:
    """An invoice that waits for payment; `takes`: what it takes off, by the grants it is of."""

    request: UUID
    product: Offering
    cycle: str
    lapses: date
    valid_until: date | None
    takes: list[tuple[Grant, int]]


def value_of(net_minor: int) -> int:
    """With the one VAT rate that there is here, 8.1 %, rounded half up."""
    return net_minor + (net_minor * 81 + 500) // 1000


def _plus(start: date, cycle: str) -> date:
    """A month or a year later, on the last day where the month is shorter."""
    months = start.month - 1 + (1 if cycle == "monthly" else 12)
    year, month = start.year + months // 12, months % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


class Reference:
    """Grants and offers by place: `plan`, or a module's id."""

    def __init__(self, offerings: Iterable[Offering]) -> None:
        self.products = {o.id: o for o in offerings}
        self.grants: dict[Any, Grant] = {}
        self.waiting: dict[Any, Waiting] = {}
        self.over: list[Grant] = []
        self.tried: set[UUID] = set()

    # -- what may be used ----------------------------------------------------------------------

    @property
    def plan(self) -> Grant | None:
        return self.grants.get("plan")

    def modules(self) -> set[UUID]:
        included = self.plan.product.included_modules if self.plan else ()
        return {place for place in self.grants if place != "plan"} | {*included}

    # -- what operators do ---------------------------------------------------------------------

    def place(self, product: Offering) -> Any:
        return "plan" if product.kind == "plan" else product.id

    def credits(self, product: Offering, today: date) -> list[tuple[Grant, int]]:
        """What booking this now takes the place of, and what is left of that."""
        replaced = [self.grants.get(self.place(product))]
        replaced += [g for g in self._taken_in(product) if g.cycle != "once"]
        return [(g, g.unused(today)) for g in replaced if g and g.unused(today)]

    def _taken_in(self, plan: Offering) -> list[Grant]:
        included = plan.included_modules if plan.kind == "plan" else ()
        return [self.grants[m] for m in included if m in self.grants]

    def give(self, product: Offering, today: date) -> int:
        """Free or a gift, at once; returns what is given back."""
        taken = self.credits(product, today)
        self._begin(Grant(product, "free" if product.is_free else "gift", today))
        return self._given(taken)

    def try_out(self, product: Offering, today: date) -> int:
        assert product.id not in self.tried, "once, ever"
        self.tried.add(product.id)
        taken = self.credits(product, today)
        until = today + timedelta(days=product.trial_days)
        self._begin(Grant(product, "trial", today, until, ends=True))
        return self._given(taken)

    def offer(self, product: Offering, cycle: str, request: UUID, today: date) -> int:
        """Let an invoice wait; returns what it takes off."""
        place, grant = self.place(product), self.grants.get(self.place(product))
        self.let_go(place)
        is_change = grant and grant.source == "paid"
        until = grant.until if grant and is_change else None
        taken = self.credits(product, today)
        self.waiting[place] = Waiting(request, product, cycle, today, until, taken)
        self.due_on(request, today)
        return sum(minor for _, minor in taken)

    def due_on(self, request: UUID, day: date) -> None:
        for waiting in self.waiting.values():
            if waiting.request == request:
                lapses = day + timedelta(days=_OFFER_DAYS)
                waiting.lapses = min(lapses, waiting.valid_until or lapses)

    def pay(self, request: UUID, invoice: UUID, worth: dict[UUID, int], today: date) -> int:
        """Begin what waits for it; returns what is given back beside the invoice's own lines."""
        back = 0
        for place, waiting in list(self.waiting.items()):
            if waiting.request == request and self.waiting.get(place) is waiting:
                del self.waiting[place]
                covered = [grant for grant, _ in waiting.takes]
                later = [c for c in self.credits(waiting.product, today) if c[0] not in covered]
                mine = self.grants.get(place)
                later = [c for c in later if c[0] is not mine]
                minor = worth[waiting.product.id]
                self.begin_paid(waiting.product, waiting.cycle, [minor], invoice, today)
                self._given(waiting.takes)
                back += self._given(later)
        for grant in self.grants.values():
            if grant.asked == request and not grant.worth:
                grant.worth, grant.invoice = [worth[grant.product.id]], invoice
        return back

    def begin_paid(
        self, product: Offering, cycle: str, worth: list[int], invoice: UUID | None, today: date
    ) -> None:
        until = None if cycle == "once" else _plus(today, cycle)
        grant = Grant(product, "paid", today, until, cycle=cycle, invoice=invoice)
        grant.worth = worth if until else []
        self._begin(grant)

    def _given(self, taken: Iterable[tuple[Grant, int]]) -> int:
        total = 0
        for grant, minor in taken:
            grant.given += minor
            total += minor
        return total

    def _begin(self, grant: Grant) -> None:
        place = self.place(grant.product)
        self.let_go(place)
        before = self.grants.get(place)
        if before:
            self.end(place)
        self.grants[place] = grant
        for module in grant.product.included_modules if place == "plan" else ():
            kept = module in self.grants and self.grants[module].cycle == "once"
            if not kept:
                self.let_go(module)
                self.end(module)

    def let_go(self, place: Any) -> None:
        self.waiting.pop(place, None)
        if place in self.grants:
            self.grants[place].then = None

    def end(self, place: Any) -> None:
        """Its value goes elsewhere or is gone: no other offer may credit it any more."""
        grant = self.grants.pop(place, None)
        if grant:
            self.over.append(grant)
            self.drop_leaning(place, grant)

    def drop_leaning(self, place: Any, grant: Grant) -> None:
        for other, waiting in list(self.waiting.items()):
            if other != place and any(g is grant for g, _ in waiting.takes):
                del self.waiting[other]

    def edit(self, place: Any, until: date) -> None:
        grant = self.grants[place]
        if place in self.waiting and self.waiting[place].takes:
            del self.waiting[place]
        self.drop_leaning(place, grant)
        grant.until = until
        if grant.source in {"free", "gift"} or grant.cycle == "once":
            grant.ends = True

    def withdraw(self, place: Any, today: date) -> int:
        """Ends now; returns what is forfeited, net."""
        grant = self.grants.get(place)
        forfeited = grant.unused(today) if grant else 0
        self.let_go(place)
        self.end(place)
        return forfeited

    # -- what billing says, what time brings -----------------------------------------------------

    def drop(self, request: UUID, places: Iterable[Any] | None = None) -> None:
        for place, waiting in list(self.waiting.items()):
            if waiting.request == request and (places is None or place in places):
                del self.waiting[place]

    def owe(self, invoice: UUID, owed: bool) -> None:
        for grant in self.grants.values():
            if grant.invoice == invoice:
                grant.owed = owed

    def day(self, today: date, ask: dict[UUID, UUID]) -> int:
        """Everything that is due; returns what is given back.

        `ask`: the requests that were made for periods that begin unpaid, by product.
        """
        back = 0
        for grant in list(self.grants.values()):
            if grant.then and grant.until and grant.until <= today and not grant.owed:
                product, cycle = grant.then
                later = [c for c in self.credits(product, today) if c[0] is not grant]
                start = grant.until
                if cycle is None:
                    self._begin(Grant(product, "free", start))
                else:
                    until = _plus(start, cycle)
                    new = Grant(product, "paid", start, until, cycle=cycle)
                    new.asked = ask[product.id]
                    self._begin(new)
                back += self._given(later)
        for place, grant in list(self.grants.items()):
            if grant.ends and grant.until and grant.until <= today and not grant.then:
                # What an offer takes off stays taken off: that was settled when it was made.
                self.over.append(self.grants.pop(place))
        for place, waiting in list(self.waiting.items()):
            if waiting.lapses <= today:
                del self.waiting[place]
        return back
