"""Time alone: nobody asks, and what is due happens by itself."""

from datetime import date, timedelta

from shared.periods import start_of_day
from tests.integration.action_steps import act, card
from tests.integration.steps import in_state, new_customer, stored
from tests.system import System, eventually


async def test_who_moves_to_another_time_zone_has_everything_due_on_the_day_there(
    system: System,
) -> None:
    await system.seeded()
    made = await new_customer(system)
    trial = await act(system, made, "Team", "start_trial")
    booked = await act(system, made, "Analytics", "make_invoice", cycle="monthly")
    await system.invoice_of(booked["request_id"])
    end = date.fromisoformat(trial["subscriptions"][0]["period"]["end"])
    zone = "Pacific/Auckland"
    answer = await system.api.patch(f"/customers/{made['id']}", json={"time_zone": zone})
    assert answer.is_success, answer.text

    async def moved() -> bool | None:
        query = "SELECT due_at, remind_at FROM subscriptions WHERE id = $1"
        ((ends, reminds),) = await stored(
            system, "subscriptions", query, trial["subscriptions"][0]["id"]
        )
        query = "SELECT lapses_at, lapses_on FROM offers WHERE request_id = $1"
        ((lapses, lapses_on),) = await stored(system, "subscriptions", query, booked["request_id"])
        reminder = start_of_day(end - timedelta(days=3), zone)
        there = (start_of_day(end, zone), reminder, start_of_day(lapses_on, zone))
        return True if (ends, reminds, lapses) == there else None

    await eventually(moved, "what is due to be due in Auckland")
    # No hour too early and none too late, though Zurich has not seen that day yet.
    system.advance(start_of_day(end, zone) - timedelta(minutes=1) - system.clock())
    assert (await card(system, made, "Team"))["state"] == "trialing"
    system.advance(timedelta(minutes=1))
    await in_state(system, trial["subscriptions"][0]["id"], "expired")


async def test_trials_and_offers_end_by_themselves_on_their_day(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    trial = await act(system, made, "Team", "start_trial")
    booked = await act(system, made, "Analytics", "make_invoice", cycle="monthly")

    async def invoiced() -> bool | None:
        return bool((await card(system, made, "Analytics"))["waiting"]["invoice_id"]) or None

    await eventually(invoiced, "the invoice that the booking waits for")

    system.advance(timedelta(days=23))
    assert (await card(system, made, "Analytics"))["state"] == "pending"
    system.advance(timedelta(days=2))  # due after 10 days, and 14 more
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
    assert (await card(system, made, "Team"))["state"] == "trialing"
    system.advance(timedelta(days=6))
    await in_state(system, trial["subscriptions"][0]["id"], "expired")


async def test_who_gets_more_time_to_pay_is_waited_for_longer(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    booked = await act(system, made, "Analytics", "make_invoice", cycle="monthly")
    invoice = await system.invoice_of(booked["request_id"])
    later = date.fromisoformat(invoice["due_date"]) + timedelta(days=60)
    path = f"/invoices/{invoice['id']}/due-date"
    await system.post(path, {"due_date": str(later)}, expect=200)

    async def moved() -> bool | None:
        waiting = (await card(system, made, "Analytics"))["waiting"]
        return True if waiting["lapses_on"] == str(later + timedelta(days=14)) else None

    await eventually(moved, "the booking to be waited for longer")
    system.advance(timedelta(days=70))
    assert (await card(system, made, "Analytics"))["state"] == "pending"
    system.advance(timedelta(days=30))
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
