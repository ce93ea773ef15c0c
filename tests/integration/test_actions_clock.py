"""Time alone: nobody asks, and what is due happens by itself."""

from datetime import timedelta

from tests.integration.action_steps import act, card
from tests.integration.steps import in_state, new_customer
from tests.system import System, eventually


async def test_trials_and_offers_end_by_themselves_on_their_day(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    trial = await act(system, made, "Team", "start_trial")
    booked = await act(system, made, "Analytics", "make_invoice", cycle="monthly")

    async def invoiced() -> bool | None:
        return bool((await card(system, made, "Analytics"))["waiting"]["invoice_id"]) or None

    await eventually(invoiced, "the invoice that the booking waits for")

    # Due after 10 days, and 14 more until nobody expects the money any longer.
    system.advance(timedelta(days=25))
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
    assert (await card(system, made, "Team"))["state"] == "trialing"
    system.advance(timedelta(days=6))
    await in_state(system, trial["subscriptions"][0]["id"], "expired")
