"""Whatever operators, payments and days come in whatever order: what always holds."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.cards import Action, Card, cards
from services.subscriptions.domain.decisions import Asked, due, outcomes, take
from services.subscriptions.domain.decisions.outcomes import Found
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.pricing import price_lines
from services.subscriptions.domain.subscription import State
from services.subscriptions.use_cases.options import price_action
from shared.events.billing import InvoicedLine, InvoicePaid, InvoicePaymentReversed, InvoiceVoided
from shared.events.subscriptions import (
    CreditRequested,
    InvoiceRequested,
    InvoiceRequestWithdrawn,
)
from shared.money import Money
from tests.unit.books import NOW, applied, book, new_ids

DUE = (
    due.end_trials,
    due.end_canceled,
    due.apply_scheduled_changes,
    due.lapse_offers,
    due.remind_of_trial_end,
)


@dataclass
class Invoice:
    id: UUID
    request: InvoiceRequested
    lines: tuple[InvoicedLine, ...]
    total: Money
    settled: int = 0
    open: bool = True


@dataclass
class World:
    """One customer, with a billing that opens every invoice at once."""

    book: Book = field(default_factory=book)
    now: datetime = NOW
    ids: Any = field(default_factory=new_ids)
    invoices: dict[UUID, Invoice] = field(default_factory=dict)
    offers: dict[tuple[UUID, UUID], Offer] = field(default_factory=dict)
    credited: Counter[tuple[UUID, int]] = field(default_factory=Counter)
    charged: dict[tuple[UUID, int], int] = field(default_factory=dict)

    def draft(self) -> Draft:
        return Draft(self.book, now=self.now, new_id=self.ids)

    def save(self, made: Draft) -> None:
        for event in made.events():
            if isinstance(event, InvoiceRequested):
                self.open(event)
            if isinstance(event, InvoiceRequestWithdrawn) and event.request_id in self.invoices:
                self.invoices[event.request_id].open = False
            if isinstance(event, CreditRequested):
                for line in event.lines:
                    self.credited[event.invoice_id, line.position] += line.amount.minor
        self.offers |= made.saved_offers
        self.book = applied(made)

    def open(self, request: InvoiceRequested) -> None:
        priced = price_lines(request.lines, self.book, self.now)
        invoice_id = self.ids()
        lines = tuple(
            InvoicedLine(
                position=position,
                title=line.title,
                total=Money(minor, "CHF"),
                subscription_id=line.subscription_id,
                request_id=request.request_id,
                basis=line.basis,
                vat_percent=percent,
            )
            for position, (line, percent, minor) in enumerate(
                zip(
                    request.lines,
                    priced.vat_percents,
                    priced.totals.line_totals_minor,
                    strict=True,
                ),
                1,
            )
        )
        total = Money(priced.totals.total_minor, "CHF")
        assert total == request.expected_total
        self.invoices[request.request_id] = Invoice(invoice_id, request, lines, total)
        self.charged |= {(invoice_id, n.position): n.total.minor for n in lines}

    def hear(self, decision: Any, invoice: Invoice, kind: type[Any], **more: Any) -> Draft:
        event = kind(
            customer_id=self.book.customer.id,
            invoice_id=invoice.id,
            version=1,
            number="INV-1",
            lines=invoice.lines,
            **more,
        )
        made = self.draft()
        decision(made, event, Found(self.offers, self.periods()))
        self.save(made)
        return made

    def periods(self) -> Any:
        rows = (r for rows in self.book.periods.values() for r in rows if r.request_id)
        return {(r.request_id, r.subscription_id): r for r in rows}

    def pay(self, invoice: Invoice) -> Draft:
        """Also one that was let go of: the money had been on its way."""
        invoice.settled += 1
        paid = {"settlement": invoice.settled, "paid_at": self.now, "total": invoice.total}
        return self.hear(outcomes.invoice_paid, invoice, InvoicePaid, **paid)

    def reverse(self, invoice: Invoice) -> None:
        self.hear(
            outcomes.payment_reversed,
            invoice,
            InvoicePaymentReversed,
            settlement=invoice.settled,
            reversed_at=self.now,
            due_date=self.now.date(),
            open_amount=invoice.total,
        )


def possible(world: World) -> list[tuple[Card, Action]]:
    """Everything that any card offers now."""
    found = [*cards("plan", world.book), *cards("module", world.book)]
    return [(card, action) for card in found for action in card.actions]


def act(world: World, number: int) -> None:
    offered = possible(world)
    card, action = offered[number % len(offered)]
    asked = Asked(card.offering.id, action.name, action.cycle)
    if action.name == "edit_period":
        asked = replace(asked, end=world.draft().today + timedelta(days=1 + number % 400))
        if card.own and card.own.period and card.own.period.end == asked.end:
            return
        paid_later = card.own and world.book.last_end(card.own)
        if card.own and card.own.period and paid_later != card.own.period.end:
            return
    shown = price_action(card, action, world.book, world.now)
    first = world.ids().int * 1000
    preview, made = (Draft(world.book, now=world.now, new_id=new_ids(first)) for _ in range(2))
    for draft in (preview, made):
        take(draft, card.offering.kind, [asked])
    # What was previewed is what happens, and what the card said is what it comes to.
    assert preview.events() == made.events()
    assert preview.steps == made.steps
    assert preview.credit == made.credit
    if made.requests:
        assert shown.amount == made.requests[0].expected_total
    world.save(made)


def turn(world: World, what: str, number: int) -> None:
    invoices = list(world.invoices.values())
    chosen = invoices[number % len(invoices)] if invoices else None
    if what == "act":
        act(world, number)
    elif what == "days":
        world.now += timedelta(days=1 + number % 40)
    elif what == "due":
        for decision in DUE:
            made = world.draft()
            decision(made)
            world.save(made)
            again = world.draft()
            decision(again)
            assert again.nothing, f"{decision} the second time"
    elif chosen and what == "pay" and chosen.settled == 0:
        world.pay(chosen)
    elif chosen and what == "reverse" and chosen.settled == 1:
        world.reverse(chosen)
    elif chosen and what == "again" and chosen.settled == 1:
        world.pay(chosen)
    elif chosen and what == "void" and chosen.settled == 0:
        chosen.open = False
        world.hear(outcomes.invoice_voided, chosen, InvoiceVoided)


def check(world: World) -> None:
    mine = world.book.subscriptions
    assert sum(s.kind == "plan" and s.live for s in mine) <= 1
    products = Counter(s.product_id for s in mine if s.live)
    assert all(number == 1 for number in products.values())
    for subscription in mine:
        offer = world.book.offers.get(subscription.id)
        assert not (offer and subscription.scheduled), "only one of both waits"
        assert subscription.state is not State.PENDING or offer
        assert subscription.state is not State.WITHDRAWN or not offer
        assert (subscription.state is State.CANCELING) == (subscription.canceled_from is not None)
        rows = world.book.periods.get(subscription.id, ())
        keys = [(row.term, row.period.start) for row in rows]
        assert len(set(keys)) == len(keys)
    for key, minor in world.credited.items():
        assert 0 < minor <= world.charged[key], "more is given back than was charged"


TURNS = st.lists(
    st.tuples(
        st.sampled_from(
            ("act", "act", "act", "pay", "pay", "days", "due", "reverse", "again", "void")
        ),
        st.integers(0, 10_000),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(TURNS)
def test_whatever_happens_a_card_keeps_its_word_and_no_rule_breaks(turns: Any) -> None:
    world = World()
    for what, number in turns:
        turn(world, what, number)
        check(world)


BETWEEN_PLANS = ("make_invoice", "upgrade", "change_cycle", "activate_free")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12))
def test_on_one_day_no_chain_of_changes_loses_or_makes_a_cent(numbers: list[int]) -> None:
    world, received = World(), 0
    for number in numbers:
        offered = [
            (card, action)
            for card in cards("plan", world.book)
            for action in card.actions
            if action.name in BETWEEN_PLANS
        ]
        if not offered:
            break
        card, action = offered[number % len(offered)]
        made = world.draft()
        take(made, "plan", [Asked(card.offering.id, action.name, action.cycle)])
        world.save(made)
        for request in made.requests:
            world.pay(world.invoices[request.request_id])
            received += sum(n.total.minor for n in world.invoices[request.request_id].lines)
        plan = world.book.plan
        assert plan
        worth = sum(taken.minor for taken in world.book.unused(plan, made.today))
        assert received == worth + world.credited.total()


def test_the_rates_of_a_chain_are_those_that_were_charged() -> None:
    world = World()
    made = world.draft()
    plan = cards("plan", world.book)[0].offering
    take(made, "plan", [Asked(plan.id, "make_invoice", "monthly")])
    world.save(made)
    paid = world.pay(world.invoices[made.requests[0].request_id])

    (row,) = paid.saved_periods.values()
    assert {part.vat_percent for part in row.worth} == {Decimal("8.1")}
