"""Value that was paid for is given once, and follows what it paid for."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.cards import cards
from services.subscriptions.domain.decisions import Asked, due, take
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.entitlements import entitlements
from services.subscriptions.domain.subscription import State
from tests.unit.books import (
    ARCHIVE,
    CATALOGUE,
    CHAT,
    LARGE,
    SETUP,
    SMALL,
    book,
    draft,
    has,
    paid_period,
)
from tests.unit.world import World


def did(world: World, product: Any, action: Any, cycle: Any = None, **dates: Any) -> Draft:
    made = world.draft()
    take(made, product.kind, [Asked(product.id, action, cycle, **dates)])
    return world.save(made)


def bought(world: World, product: Any, cycle: Any = "monthly", action: Any = "make_invoice") -> Any:
    """Booked, and paid on the day."""
    made = did(world, product, action, cycle)
    invoice = world.open(made.requests[0].request_id)
    world.pay(invoice)
    return invoice


def types(made: Draft) -> list[str]:
    return [event.TYPE.removeprefix("subscription.") for event in made.events()]


def state(world: World, product: Any) -> State:
    return next(s.state for s in world.book.subscriptions if s.product_id == product.id)


def waits(world: World) -> set[UUID]:
    return {offer.product_id for offer in world.book.offers.values()}


@pytest.fixture
def world() -> World:
    """A module is paid, and an offer for a plan that includes it credits what is left of it."""
    made = World()
    bought(made, ARCHIVE)
    offer = did(made, LARGE, "make_invoice", "monthly")
    assert [line.unit_price for line in offer.requests[0].lines] == [90, -9]
    return made


def test_withdrawn_a_module_is_not_credited_by_the_plans_offer_any_more(world: World) -> None:
    made = did(world, ARCHIVE, "withdraw")

    assert types(made) == ["booking_dropped", "withdrawn", "invoice.request_withdrawn"]
    assert made.forfeited
    assert made.forfeited.minor == 973
    assert waits(world) == set()


def test_with_other_dates_a_module_is_not_credited_as_before(world: World) -> None:
    did(world, ARCHIVE, "edit_period", end=world.draft().today + timedelta(days=3))

    assert waits(world) == set()


def test_changed_a_module_is_not_credited_twice_whichever_is_paid_first(world: World) -> None:
    yearly = did(world, ARCHIVE, "change_cycle", "yearly")
    assert waits(world) == {LARGE.id, ARCHIVE.id}
    made = world.pay(world.open(yearly.requests[0].request_id))

    assert types(made) == ["booking_dropped", "changed", "invoice.request_withdrawn"]
    assert waits(world) == set()


def test_the_plan_paid_first_takes_the_modules_own_offer_away(world: World) -> None:
    (request,) = world.requested
    did(world, ARCHIVE, "change_cycle", "yearly")
    made = world.pay(world.open(request))

    assert types(made)[:3] == ["activated", "change_dropped", "expired"]
    assert waits(world) == set()


def test_an_offer_for_a_module_whose_trial_is_over_ends_with_its_inclusion() -> None:
    world = World()
    did(world, ARCHIVE, "start_trial")
    did(world, ARCHIVE, "make_invoice", "monthly")
    world.now += timedelta(days=20)
    world.settle()
    assert state(world, ARCHIVE) is State.EXPIRED
    did(world, LARGE, "activate_free")

    assert waits(world) == set()


def test_what_was_begun_by_value_of_another_invoice_is_past_due_when_that_bounces() -> None:
    world = World(replace(book(), catalogue=replace(CATALOGUE, prices=_cheap())))
    invoice = bought(world, ARCHIVE, "yearly")
    made = did(world, LARGE, "make_invoice", "monthly")
    assert (types(made)[0], made.requests) == ("activated", [])
    world.reverse(invoice)
    assert state(world, LARGE) is State.PAST_DUE
    world.pay(invoice)
    assert state(world, LARGE) is State.ACTIVE


def _cheap() -> Any:
    """The plan for less than what is left of the module's year."""
    return tuple(
        replace(p, unit_price=Decimal(30))
        if (p.product_id, p.cycle) == (LARGE.id, "monthly")
        else p
        for p in CATALOGUE.prices
    )


def test_a_module_whose_payment_bounces_is_past_due_and_worth_nothing() -> None:
    world = World()
    invoice = bought(world, CHAT)
    world.reverse(invoice)
    assert state(world, CHAT) is State.PAST_DUE
    assert did(world, CHAT, "withdraw").forfeited is None


def test_an_edited_period_keeps_the_invoice_it_began_without() -> None:
    world = World()
    bought(world, LARGE)
    did(world, SMALL, "change_at_period_end", "monthly")
    world.now += timedelta(days=31)
    (request,) = (r for made in world.settle() for r in made.requests)
    did(world, SMALL, "edit_period", end=world.draft().today + timedelta(days=10))
    invoice = world.open(request.request_id)
    world.pay(invoice)
    plan = world.book.plan
    assert plan
    assert plan.invoice_id == invoice.id
    assert sum(t.minor for t in world.book.unused(plan, world.draft().today)) == 3000
    outcomes = [r.outcome for r in world.book.periods[plan.id] if r.request_id]
    assert outcomes == ["skipped", "billed"]


@pytest.mark.parametrize("says", ["void", "reject"])
def test_a_change_whose_invoice_is_gone_goes_on_and_its_late_payment_is_noted(says: str) -> None:
    world = World()
    bought(world, LARGE)
    did(world, SMALL, "change_at_period_end", "monthly")
    world.now += timedelta(days=31)
    (request,) = (r for made in world.settle() for r in made.requests)
    if says == "reject":
        made = world.reject(request.request_id)
        reason = "expected CHF 1.00, but the total is CHF 2.00"
        assert [(s.event, s.reason) for s in made.steps] == [("invoice.rejected", reason)]
    else:
        invoice = world.open(request.request_id)
        assert [s.event for s in world.void(invoice).steps] == ["invoice.voided"]
        late = world.pay(invoice)
        assert ([s.event for s in late.steps], late.events()) == (["invoice.paid"], [])
    plan = world.book.plan
    assert plan
    assert (plan.state, plan.product_id) == (State.ACTIVE, SMALL.id)
    assert not world.book.unused(plan, world.draft().today)
    for action in ("change_cycle", "edit_period", "cancel", "withdraw"):
        assert action in {a.name for c in cards("plan", world.book) for a in c.actions}


@pytest.mark.parametrize("unpaid", [State.ACTIVE, State.PAST_DUE, State.SUSPENDED])
def test_what_was_given_an_end_is_over_then_also_while_its_payment_bounces(unpaid: State) -> None:
    end = date(2026, 3, 15)
    own = replace(has(SETUP, unpaid, cycle="once"), period=replace(has(SMALL).period, end=end))  # type: ignore[type-var]
    made = draft(book(own))
    due.end_canceled(made)

    assert types(made) == ["expired"]


def test_the_end_of_a_gift_is_certain_once_it_has_one() -> None:
    own = has(SMALL, origin="gift", cycle=None, invoice_id=None)
    granted = entitlements([own], CATALOGUE)
    assert own.period
    assert (granted.access_until, granted.paid_until) == (own.period.end, None)


def test_what_is_forfeited_of_all_that_was_paid_is_what_was_paid() -> None:
    of = book(has(CHAT), periods=[paid_period(has(CHAT), 4900)])
    assert of.seller
    swiss = replace(of, seller=of.seller.model_copy(update={"rounding_minor": {"CHF": 5}}))
    whole = swiss.unused(has(CHAT), date(2026, 3, 1))

    assert swiss.gross(whole).amount == "52.95"
    assert of.gross(whole).amount == "52.97"


def test_the_history_names_what_was_offered_and_why_it_is_not_any_more() -> None:
    world = World()
    bought(world, SMALL)
    made = did(world, LARGE, "upgrade", "yearly")
    (step,) = made.steps
    assert step.offer
    assert (step.offer.product_id, step.offer.cycle) == (LARGE.id, "yearly")
    dropped = world.void(world.open(made.requests[0].request_id))
    (step,) = dropped.steps
    assert step.offer
    assert (step.offer.product_id, step.reason) == (LARGE.id, "invoice_voided")
