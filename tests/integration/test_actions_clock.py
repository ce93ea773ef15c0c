"""Time alone: nobody asks, and what is due happens by itself."""

from datetime import timedelta

from tests.integration.action_steps import act, card
from tests.integration.steps import in_state, new_customer
from tests.system import System


async def test_trials_and_offers_end_by_themselves_on_their_day(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    trial = await act(system, made, "Team", "start_trial")
    booked = await act(system, made, "Analytics", "make_invoice", cycle="monthly")
    await system.invoice_of(booked["request_id"])
    assert (await card(system, made, "Analytics"))["waiting"]["lapses_on"]

    system.advance(timedelta(days=31))
    await in_state(system, trial["subscriptions"][0]["id"], "expired")
    assert (await card(system, made, "Analytics"))["state"] == "pending"
    system.advance(timedelta(days=30))
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
