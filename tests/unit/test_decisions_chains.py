"""Chains of changes on one day: what comes in is worth as much as what is had and given back."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.subscriptions.domain.cards import cards
from services.subscriptions.domain.decisions import Asked, take
from tests.unit.world import World

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
            invoice = world.open(request.request_id)
            world.pay(invoice)
            received += sum(n.total.minor for n in invoice.lines)
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
    paid = world.pay(world.open(made.requests[0].request_id))

    (row,) = paid.saved_periods.values()
    assert {part.vat_percent for part in row.worth} == {Decimal("8.1")}
