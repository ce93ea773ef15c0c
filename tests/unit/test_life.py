"""Whatever operators, payments, bounces and days come in whatever order, against a reference."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from services.subscriptions.domain.cards import Action, Card, cards
from services.subscriptions.domain.decisions import Asked, cancel_renewals, take
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.entitlements import entitlements
from services.subscriptions.domain.matrix import CHARGED
from services.subscriptions.domain.subscription import State
from services.subscriptions.use_cases.options import price_action
from shared.events.subscriptions import CreditRequested, SubscriptionWithdrawn
from tests.unit.books import ARCHIVE, LARGE, book, new_ids
from tests.unit.reference import Reference, value_of
from tests.unit.world import Invoice, World

_RARELY = 20
NUMBER = st.integers(0, 99)
# What an event says of the state, for whoever hears nothing else; None: as it was.
_SAYS: dict[str, State | None] = {
    "activated": State.ACTIVE,
    "changed": State.ACTIVE,
    "trial_started": State.TRIALING,
    "cancellation_scheduled": State.CANCELING,
    "expired": State.EXPIRED,
    "withdrawn": State.WITHDRAWN,
}


_BEGINS = {"subscription.activated", "subscription.changed"}


def _of(event: Any) -> UUID:
    own: UUID = event.subscription_id
    return own


class Listener:
    """Knows subscriptions from their events alone."""

    def __init__(self) -> None:
        self.states: dict[UUID, State] = {}
        self.versions: dict[UUID, int] = {}
        self.products: dict[UUID, UUID] = {}
        self._before: dict[UUID, State] = {}

    def __call__(self, made: Draft) -> None:
        for event in made.events():
            kind = event.TYPE.removeprefix("subscription.")
            if kind != event.TYPE:
                self._hear(kind, event)

    def _hear(self, kind: str, event: Any) -> None:
        own = event.subscription_id
        assert event.version == self.versions.get(own, 0) + 1, "an edge was not told"
        was = self.states.get(own)
        canceled = was is State.CANCELING
        now = _SAYS.get(kind) or was
        match kind:
            case "booked":
                now = was or State.PENDING
            case "booking_dropped" if was is State.PENDING:
                now = State.WITHDRAWN
            case "cancellation_scheduled":
                self._before[own] = was or State.ACTIVE
            case "cancellation_revoked":
                now = self._before[own]
            case "past_due" | "resumed":
                said = State.PAST_DUE if kind == "past_due" else State.ACTIVE
                self._before[own], now = (said, was) if canceled else (said, said)
        assert now
        self.states[own], self.versions[own] = now, event.version
        self.products[own] = event.product.id


class Life(RuleBasedStateMachine):
    """One customer in two worlds: the decisions of the service, and the reference."""

    @initialize()
    def begin(self) -> None:
        self.world = World(book())
        self.listener = Listener()
        self.world.heard = [self.listener]
        self.ref = Reference(self.world.book.catalogue.offerings.values())
        self.world.due = [self.ref.due_on]

    @property
    def today(self) -> Any:
        return self.world.draft().today

    # -- operators -----------------------------------------------------------------------------

    @rule(number=NUMBER, which=NUMBER, near=st.booleans(), days=st.integers(0, 3))
    def act_and_pay(self, number: int, which: int, near: bool, days: int) -> None:
        """As most of life goes; otherwise nearly everything would be about what waits."""
        self.act(number, which, near)
        self.days_go_by(days, late=days == 1)
        self.pay(99)

    @rule(number=NUMBER, which=NUMBER, near=st.booleans())
    def act(self, number: int, which: int, near: bool) -> None:
        """Any action that any card offers; rare ones as often as others.

        `near`: about the plan that includes a module, or about that module.
        """
        found = [*cards("plan", self.world.book), *cards("module", self.world.book)]
        offered = [
            (card, action)
            for card in found
            for action in card.actions
            if not near or card.offering in (LARGE, ARCHIVE)
        ]
        names = sorted({a.name for _, a in offered if a.name != "withdraw" or number < _RARELY})
        if not names:
            return
        those = [(c, a) for c, a in offered if a.name == names[which % len(names)]]
        card, action = those[number % len(those)]
        asked = Asked(card.offering.id, action.name, action.cycle)
        if action.name == "edit_period":
            asked = replace(asked, end=self.today + timedelta(days=1 + number % 400))
            if card.own and card.own.period and card.own.period.end == asked.end:
                return
        self._do([(card, action)], [asked])

    @rule(number=NUMBER)
    def book_modules(self, number: int) -> None:
        """Several on one invoice."""
        offered = [
            (card, action)
            for card in cards("module", self.world.book)
            if (action := next((a for a in card.actions if a.name == "make_invoice"), None))
        ]
        chosen = [pair for bit, pair in enumerate(offered) if number >> bit & 1]
        if chosen:
            self._do(chosen, [Asked(c.offering.id, a.name, a.cycle) for c, a in chosen])

    def _do(self, chosen: Sequence[tuple[Card, Action]], asked: Sequence[Asked]) -> None:
        kind = chosen[0][0].offering.kind
        shown = [price_action(card, a, self.world.book, self.world.now) for card, a in chosen]
        first = self.world.ids().int * 1000
        now, before = self.world.now, self.world.book
        preview, made = (Draft(before, now=now, new_id=new_ids(first)) for _ in range(2))
        for draft in (preview, made):
            take(draft, kind, asked)
        # What was previewed is what happens, and what the card said is what it comes to.
        assert preview.events() == made.events()
        assert (preview.steps, preview.credit) == (made.steps, made.credit)
        assert preview.saved_periods == made.saved_periods
        self.world.save(made)
        for request in made.requests:
            (one,) = shown if len(shown) == 1 else (None,)
            assert not one or one.amount == request.expected_total
        for (card, action), item in zip(chosen, asked, strict=True):
            self._follow(card, action, item, made)

    def _follow(self, card: Card, action: Action, asked: Asked, made: Draft) -> None:
        """The same in the reference, and what it costs or brings."""
        ref, product, today = self.ref, card.offering, made.today
        place = ref.place(product)
        if action.name in CHARGED:
            self._charged(card, action, made)
        elif action.name == "activate_free":
            assert self._returned(made) == ref.give(product, today)
        elif action.name == "start_trial":
            assert self._returned(made) == ref.try_out(product, today)
        elif action.name == "change_at_period_end":
            ref.let_go(place)
            ref.grants[place].then = product, action.cycle
        elif action.name == "drop_change":
            ref.let_go(place)
        elif action.name == "edit_period":
            assert asked.end
            ref.edit(place, asked.end)
            ref.grants[place].since = min(ref.grants[place].since, today)
        elif action.name == "cancel":
            ref.let_go(place)
            ref.grants[place].ends = True
        elif action.name == "revoke_cancellation":
            grant = ref.grants[place]
            grant.ends = grant.source == "trial" or grant.cycle == "once"
        elif action.name == "withdraw":
            net = ref.withdraw(place, today)
            (told,) = (e for e in made.events() if isinstance(e, SubscriptionWithdrawn))
            assert (told.forfeited.minor if told.forfeited else 0) == value_of(net)

    def _charged(self, card: Card, action: Action, made: Draft) -> None:
        product, today = card.offering, made.today
        own = card.target.id if card.target else None
        if own is None:
            own = next(s.after.id for s in made.steps if s.after.product_id == product.id)
        lines = [n for c in made.charges for n in c.lines if n.subscription_id == own]
        taken = [int(-n.unit_price * 100) for n in lines if n.unit_price < 0]
        assert action.cycle
        if made.requests:
            request = made.requests[0].request_id
            credit = self.ref.offer(product, action.cycle, request, today)
            assert sum(taken) == credit, "what an offer takes off"
            return
        given = self.ref.credits(product, today)
        begun: Any = next(e for e in made.events() if e.TYPE in _BEGINS and _of(e) == own)
        self.ref.begin_paid(product, action.cycle, taken, begun.invoice_id, today)
        for grant, minor in given:
            grant.given += minor
        assert sum(taken) + self._returned(made) == sum(minor for _, minor in given)

    def _returned(self, *drafts: Draft) -> int:
        return sum(
            line.amount.minor
            for made in drafts
            for event in made.events()
            if isinstance(event, CreditRequested)
            for line in event.lines
        )

    # -- billing -------------------------------------------------------------------------------

    def _pick(self, number: int, *, wanted: Any) -> Invoice | None:
        """Large numbers pick the newest."""
        found = [i for i in self.world.invoices.values() if wanted(i)]
        return found[min(number, len(found) - 1)] if found else None

    @rule(
        what=st.sampled_from(["open", "open", "reject", "void", "credit", "correct", "correct"]),
        number=NUMBER,
    )
    def billing_says(self, what: str, number: int) -> None:
        requested = list(self.world.requested)
        if what in {"open", "reject"} and requested:
            getattr(self, f"_{what}")(requested[number % len(requested)])
        invoice = self._pick(number, wanted=lambda i: i.open and not i.settled)
        if invoice and what in {"void", "credit", "correct"}:
            getattr(self, f"_{what}")(invoice, number)

    def _open(self, request: UUID) -> None:
        self.world.open(request)

    def _reject(self, request: UUID) -> None:
        self.world.reject(request)
        self._not_billed(request)

    def _not_billed(self, request: UUID) -> None:
        self.ref.drop(request)
        for grant in self.ref.grants.values():
            if grant.asked == request:
                grant.asked = None

    @rule(number=NUMBER)
    def pay(self, number: int) -> None:
        """Also what was let go of meanwhile: the money had been on its way."""
        for request in list(self.world.requested):
            self._open(request)
        invoice = self._pick(number, wanted=lambda i: not i.settled and not i.gone)
        if invoice:
            self._settle(invoice)

    @rule(number=NUMBER)
    def pay_again(self, number: int) -> None:
        invoice = self._pick(number, wanted=lambda i: i.settled and not i.paid)
        if invoice:
            self._settle(invoice)

    def _settle(self, invoice: Invoice) -> None:
        request = invoice.request.request_id
        places = {s.id: s for s in self.world.book.subscriptions}
        worth = {}
        for line in invoice.lines:
            if line.total.minor > 0 and line.subscription_id in places:
                own = places[line.subscription_id]
                place = "plan" if own.kind == "plan" else own.product_id
                waiting = self.ref.waiting.get(place)
                product = waiting.product.id if waiting else own.product_id
                worth[product] = line.total.minor
        made = self.world.pay(invoice)
        back = self.ref.pay(request, invoice.id, worth, made.today)
        self.ref.owe(invoice.id, owed=False)
        assert self._returned(made) == back

    @rule(number=NUMBER)
    def reverse(self, number: int) -> None:
        invoice = self._pick(number, wanted=lambda i: i.paid and i.settled == 1)
        if invoice:
            self.world.reverse(invoice)
            self.ref.owe(invoice.id, owed=True)

    def _void(self, invoice: Invoice, _: int) -> None:
        self.world.void(invoice)
        self._not_billed(invoice.request.request_id)

    def _credit(self, invoice: Invoice, _: int) -> None:
        """An operator credits an invoice that nobody has paid."""
        self.world.credit(invoice)
        self._not_billed(invoice.request.request_id)

    def _correct(self, invoice: Invoice, number: int) -> None:
        """An invoice over several is replaced by one without one of them."""
        owners = sorted({n.subscription_id for n in invoice.lines if n.subscription_id})
        if len(owners) > 1:
            gone = owners[number % len(owners)]
            invoice.open = False
            product = next(s for s in self.world.book.subscriptions if s.id == gone).product_id
            self.world.replace(invoice, {*owners} - {gone})
            request = invoice.request.request_id
            self.ref.drop(request, [product])

    # -- time, people --------------------------------------------------------------------------

    @rule(days=st.integers(0, 45), late=st.booleans())
    def days_go_by(self, days: int, late: bool) -> None:
        """`late`: the clock's rounds have not come to this customer yet."""
        self.world.now += timedelta(days=days)
        if not late:
            self._settle_due()

    def _settle_due(self) -> None:
        made = self.world.settle()
        asked = {
            one.subscriptions[line.subscription_id].product_id: request.request_id
            for one in made
            for request in one.requests
            for line in request.lines
        }
        for one in made:
            for step in one.steps:
                if step.event == "subscription.expired" and step.before and step.before.period:
                    over = step.before.period.end <= one.today
                    # Nobody loses a day that was paid for to the clock.
                    assert over or step.after.product_id in self._included(one)
        assert self._returned(*made) == self.ref.day(self.today, asked)

    def _included(self, made: Draft) -> set[UUID]:
        plans = [s for s in made.subscriptions.values() if s.kind == "plan" and s.live]
        return {m for s in plans for m in made.book.offering(s.product_id).included_modules}

    @rule(users=st.sampled_from([0, 0, 4, 10]), active=st.sampled_from([True, True, True, False]))
    def people_come_and_go(self, users: int, active: bool) -> None:
        self.world.book = replace(self.world.book, active_users=users)
        status = "active" if active else "deactivated"
        customer = replace(self.world.book.customer, status=status)
        self.world.book = replace(self.world.book, customer=customer)
        if active:
            return
        made = self.world.draft()
        cancel_renewals(made)
        self.world.save(made)
        for grant in self.ref.grants.values():
            if grant.source == "paid" and grant.cycle != "once" and not grant.owed:
                grant.ends, grant.then = True, None

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def what_may_be_used_is_exact(self) -> None:
        granted = entitlements(self.world.book.subscriptions, self.world.book.catalogue)
        plan = self.ref.plan
        assert (granted.plan and granted.plan[0]) == (plan and plan.product.id)
        assert {module[0] for module in granted.modules} == self.ref.modules()
        assert granted.max_users == (plan.product.max_users if plan else 0)
        assert granted.access_until == (plan.until if plan and plan.ends else None)
        assert granted.paid_until == (plan.until if plan and plan.source == "paid" else None)

    @invariant()
    def one_plan_and_each_product_once(self) -> None:
        live = [s for s in self.world.book.subscriptions if s.live]
        assert sum(s.kind == "plan" for s in live) <= 1
        assert len({s.product_id for s in live}) == len(live)

    @invariant()
    def nothing_without_payment_trial_or_gift(self) -> None:
        paid = {i.id for i in self.world.invoices.values() if i.settled}
        for own in self.world.book.subscriptions:
            if own.state not in {State.ACTIVE, State.PAST_DUE, State.CANCELING, State.TRIALING}:
                continue
            rows = self.world.book.periods.get(own.id, ())
            begun = any(r.term == own.term and r.request_id for r in rows)
            paying = own.invoice_id in paid or begun
            trial = own.origin == "trial" and own.product_id in self.world.book.tried
            assert own.origin in {"free", "gift"} or trial or paying

    @invariant()
    def what_waits_is_what_waits(self) -> None:
        waiting = {
            ("plan" if own.kind == "plan" else own.product_id): offer.product_id
            for offer in self.world.book.offers.values()
            for own in self.world.book.subscriptions
            if own.id == offer.subscription_id
        }
        assert waiting == {place: w.product.id for place, w in self.ref.waiting.items()}
        for own in self.world.book.subscriptions:
            offer = self.world.book.offers.get(own.id)
            assert not (offer and own.scheduled), "only one of both waits"
            assert own.state is not State.PENDING or offer

    @invariant()
    def value_is_given_once(self) -> None:
        for grant in (*self.ref.grants.values(), *self.ref.over):
            assert grant.given <= sum(grant.worth), f"{grant} gave more than it was worth"
        for key, minor in self.world.credited.items():
            assert 0 < minor <= self.world.charged[key], "more is given back than was charged"

    @invariant()
    def every_edge_has_its_event(self) -> None:
        for own in self.world.book.subscriptions:
            assert self.listener.states[own.id] is own.state
            assert self.listener.versions[own.id] == own.version
            assert self.listener.products[own.id] == own.product_id


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
