"""Changes at the end of the period, cancellation, withdrawal, edited periods, the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from services.subscriptions.use_cases import due
from shared.events.subscriptions import (
    InvoiceRequested,
)
from shared.money import Money
from tests.builders import PLANS
from tests.integration.action_steps import (
    act,
    asked_of_billing,
    card,
    has_paid,
    make_due,
    offered,
    payment_of,
    settled,
    told,
)
from tests.integration.steps import (
    in_state,
    new_customer,
    stored,
)
from tests.system import System, eventually


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


# -- ends, cancellation, withdrawal ---------------------------------------------------------------


async def test_a_downgrade_waits_for_the_end_of_the_period_and_asks_for_the_next_ones_invoice(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Business")
    scheduled = await act(system, made, "Starter", "change_at_period_end", cycle="monthly")
    assert (scheduled["request_id"], scheduled["amount"]) == (None, None)
    found = await card(system, made, "Business")
    end = found["period"]["end"]
    assert found["scheduled"] == {
        "product_id": PLANS["Starter"],
        "name": "Starter",
        "cycle": "monthly",
        "effective_on": end,
    }
    due_at = datetime.fromisoformat(f"{end}T12:00+00:00")
    assert await make_due(system, due.apply_scheduled_changes, due_at - timedelta(days=1)) == 0
    assert await make_due(system, due.apply_scheduled_changes, due_at) == 1
    assert await make_due(system, due.apply_scheduled_changes, due_at) == 0
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["product_id"], after["state"]) == (PLANS["Starter"], "active")
    assert after["period"]["start"] == end
    await told(system, made, "booked", "activated", "change_scheduled", "changed")

    async def look() -> list[InvoiceRequested] | None:
        found = await asked_of_billing(system, made, InvoiceRequested)
        return found if len(found) == 2 else None

    _, request = await eventually(look)
    assert request.lines[0].period
    assert str(request.lines[0].period.start) == end
    query = "SELECT outcome, request_id FROM periods WHERE subscription_id = $1 ORDER BY term"
    rows = await stored(system, "subscriptions", query, subscription_id)
    assert rows == [("billed", None), ("requested", request.request_id)]
    await settled(system, await payment_of(system, made, str(request.request_id), due_at))
    rows = await stored(system, "subscriptions", query, subscription_id)
    assert rows == [("billed", None), ("billed", request.request_id)]
    assert (await system.get(f"/subscriptions/{subscription_id}"))["period"] == after["period"]


async def test_a_change_whose_invoice_is_voided_goes_on_as_it_is(system: System) -> None:
    made, subscription_id, _ = await has_paid(system, "Business")
    await act(system, made, "Starter", "change_at_period_end", cycle="monthly")
    end = (await card(system, made, "Business"))["period"]["end"]
    await make_due(
        system, due.apply_scheduled_changes, datetime.fromisoformat(f"{end}T12:00+00:00")
    )
    query = "SELECT request_id, outcome FROM periods WHERE subscription_id = $1 AND term = 2"
    ((request_id, outcome),) = await stored(system, "subscriptions", query, subscription_id)
    assert outcome == "requested"
    invoice = await system.invoice_of(str(request_id))
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)

    async def skipped() -> bool | None:
        rows = await stored(system, "subscriptions", query, subscription_id)
        return True if rows == [(request_id, "skipped")] else None

    await eventually(skipped, "the period to be skipped")
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["product_id"], after["state"]) == (PLANS["Starter"], "active")
    preview = await act(system, made, "Team", "upgrade", cycle="monthly", dry_run=True)
    assert preview["credit"] is None, "what nobody paid for is worth nothing"


async def test_canceled_it_ends_with_its_period_and_revoked_it_goes_on(system: System) -> None:
    made, subscription_id, _ = await has_paid(system, "Team")
    canceled = await act(system, made, "Team", "cancel")
    end = canceled["subscriptions"][0]["period"]["end"]
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["access_until"] == end
    await act(system, made, "Team", "revoke_cancellation")
    await in_state(system, subscription_id, "active")
    await act(system, made, "Team", "cancel")
    over = datetime.fromisoformat(f"{end}T12:00+00:00")
    assert await make_due(system, due.end_canceled, over) >= 1
    assert (await system.get(f"/subscriptions/{subscription_id}"))["state"] == "expired"
    again = await act(system, made, "Team", "make_invoice", cycle="monthly")
    assert again["subscriptions"][0]["id"] == subscription_id


async def test_nobody_who_is_frozen_is_settled_by_the_clock(system: System) -> None:
    made = await new_customer(system)
    await act(system, made, "Team", "start_trial")
    path = f"/customers/{made['id']}/freeze"
    answer = await system.api.post(path)
    assert answer.is_success, answer.text

    async def frozen() -> bool | None:
        query = "SELECT 1 FROM customers WHERE id = $1 AND frozen"
        return bool(await stored(system, "subscriptions", query, made["id"])) or None

    await eventually(frozen)
    await make_due(system, due.end_trials, datetime(2040, 1, 1, tzinfo=UTC))
    assert (await card(system, made, "Team"))["state"] == "trialing"
    assert "withdraw" in offered(await card(system, made, "Team"))


async def test_withdrawn_it_ends_now_and_says_before_what_is_lost_and_what_stays(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Team")
    await act(system, made, "Analytics", "activate_free")
    preview = await act(system, made, "Team", "withdraw", dry_run=True)
    assert preview["forfeited"] == {"amount": "52.95", "currency": "CHF"}  # as it was paid
    assert preview["modules_that_stay"] == ["Analytics"]
    done = await act(system, made, "Team", "withdraw", reason="chargeback")
    assert done["forfeited"] == preview["forfeited"]
    events = await told(system, made, "booked", "activated", "activated", "withdrawn")
    assert events[-1].forfeited == Money(5295, "CHF")  # type: ignore[attr-defined]
    assert (await card(system, made, "Team"))["state"] is None
    entries = (await system.get(f"/subscriptions/{subscription_id}/history"))["items"]
    assert (entries[0]["event"], entries[0]["reason"]) == ("subscription.withdrawn", "chargeback")


async def test_an_edited_period_says_so_and_charges_nothing(system: System) -> None:
    made, subscription_id, _ = await has_paid(system, "Team")
    end = str(datetime.now(UTC).date() + timedelta(days=100))
    done = await act(system, made, "Team", "edit_period", end=end)
    assert (done["request_id"], done["events"]) == (None, ["subscription.period_edited"])
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["period"]["end"], after["term"]) == (end, 2)
    query = "SELECT term, period_end::text, outcome FROM periods WHERE subscription_id = $1"
    rows = await stored(system, "subscriptions", query, subscription_id)
    assert (2, end, "billed") in rows
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["paid_until"] == end
