"""Trials, upgrades, changes, cancellation and withdrawal, on the real stack."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from services.subscriptions.use_cases import due
from shared.events.subscriptions import (
    CreditRequested,
    InvoiceRequestWithdrawn,
)
from shared.money import Money
from tests.builders import PLANS
from tests.integration.action_steps import (
    act,
    asked_of_billing,
    card,
    has_paid,
    history,
    make_due,
    offered,
    payment_of,
    settled,
    told,
)
from tests.integration.steps import (
    in_state,
    new_customer,
    no_failure,
    stored,
)
from tests.system import System, eventually

FIRST = datetime(2031, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


# -- trials ---------------------------------------------------------------------------------------


async def test_a_trial_is_there_once_reminds_and_ends_though_an_offer_waits(
    system: System,
) -> None:
    made = await new_customer(system)
    started = await act(system, made, "Team", "start_trial", reason="asked by phone")
    (trial,) = started["subscriptions"]
    today = date.fromisoformat(trial["period"]["start"])
    end = date.fromisoformat(trial["period"]["end"])
    assert (started["amount"], started["mails"]) == (None, [])
    assert end - today == timedelta(days=30)
    found = await card(system, made, "Team")
    assert offered(found) == [
        "make_invoice monthly",
        "make_invoice yearly",
        "edit_period",
        "cancel",
        "withdraw",
    ]
    assert found["access_until"] == trial["period"]["end"]
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert (entitled["plan"]["name"], entitled["access_until"]) == ("Team", str(end))
    offered_now = await act(system, made, "Team", "make_invoice", cycle="monthly")
    assert offered_now["mails"] == [{"kind": "invoice", "to": "billing"}]

    midnight = datetime(end.year, end.month, end.day, 12, tzinfo=UTC)
    early = midnight - timedelta(days=4)
    assert await make_due(system, due.remind_of_trial_end, early) == 0
    for decision, now in (
        (due.remind_of_trial_end, midnight - timedelta(days=3)),
        (due.end_trials, midnight),
    ):
        assert await make_due(system, decision, now) == 1
        assert await make_due(system, decision, now) == 0
    await told(system, made, "trial_started", "booked", "trial_ending", "expired")
    assert (await system.get(f"/customers/{made['id']}/entitlements"))["plan"] is None
    over = await card(system, made, "Team")
    assert (over["state"], over["waiting"]["name"]) == ("expired", "Team")
    assert "start_trial" not in offered(over)
    assert "drop_change" in offered(over)
    entries = (await system.get(f"/subscriptions/{trial['id']}/history"))["items"]
    assert [(e["version"], e["actor"]) for e in entries[:2]] == [(4, "clock"), (3, "clock")]
    assert entries[-1]["reason"] == "asked by phone"
    assert entries[-1]["after"]["state"] == "trialing"


async def test_of_two_operators_who_start_a_trial_one_does(system: System) -> None:
    made = await new_customer(system)
    body = {"plan_id": PLANS["Team"], "action": "start_trial"}
    path = f"/customers/{made['id']}/plan-actions"
    answers = await asyncio.gather(*(system.api.post(path, json=body) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]
    query = "SELECT count(*) FROM trials WHERE customer_id = $1"
    assert await stored(system, "subscriptions", query, made["id"]) == [(1,)]
    (subscription,) = next(a for a in answers if a.status_code == 201).json()["subscriptions"]
    await act(system, made, "Team", "withdraw")
    refused = await act(system, made, "Team", "start_trial", expect=409)
    assert refused["type"].endswith("action_not_offered")
    assert await history(system, subscription["id"]) == [
        "subscription.trial_started",
        "subscription.withdrawn",
    ]


async def test_paying_during_the_trial_starts_the_paid_term(system: System) -> None:
    made = await new_customer(system)
    await act(system, made, "Team", "start_trial")
    booked = await act(system, made, "Team", "make_invoice", cycle="monthly")
    (subscription,) = booked["subscriptions"]
    assert subscription["state"] == "trialing"
    await settled(system, await payment_of(system, made, booked["request_id"], FIRST))
    active = await in_state(system, subscription["id"], "active")
    assert (active["origin"], active["term"]) == ("invoice", 2)
    assert active["period"] == {"start": "2031-03-01", "end": "2031-04-01"}
    assert await make_due(system, due.end_trials, datetime(2032, 1, 1, tzinfo=UTC)) == 0


# -- upgrades -------------------------------------------------------------------------------------


async def test_an_upgrade_leaves_what_is_paid_until_its_own_payment_and_says_what_it_credits(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Starter")
    found = await card(system, made, "Business")
    (shown,) = (a for a in found["actions"] if (a["action"], a["cycle"]) == ("upgrade", "monthly"))
    preview = await act(system, made, "Business", "upgrade", cycle="monthly", dry_run=True)
    # Paid today, nothing is used up: (99.00 - 19.00) x 1.081, rounded to 5 Rappen.
    assert preview["amount"] == shown["amount"] == {"amount": "86.50", "currency": "CHF"}
    assert preview["credit"] == shown["credit"] == {"amount": "20.55", "currency": "CHF"}
    assert [line["unit_price"] for line in preview["lines"]] == ["99.0000", "-19.00"]
    assert preview["lines"][1]["explanation"].startswith("CHF 19.00 x ")
    assert preview["events"] == ["subscription.change_scheduled", "invoice.requested"]

    done = await act(
        system, made, "Business", "upgrade", cycle="monthly", expected_total=preview["amount"]
    )
    same = ("amount", "credit", "events", "mails", "lines", "modules_that_stay", "forfeited")
    assert {name: done[name] for name in same} == {name: preview[name] for name in same}
    beside = await card(system, made, "Starter")
    assert (beside["state"], beside["waiting"]["name"]) == ("active", "Business")
    assert "drop_change" in offered(beside)
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["plan"]["name"] == "Starter"

    now = datetime.now(UTC)
    await settled(system, await payment_of(system, made, done["request_id"], now))
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["product_id"], after["term"]) == (PLANS["Business"], 2)
    await told(system, made, "booked", "activated", "change_scheduled", "changed")
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert [entitled["plan"]["name"], *(m["name"] for m in entitled["modules"])] == [
        "Business",
        "Archive",
    ]


async def test_a_change_that_costs_nothing_happens_at_once_and_the_rest_is_credited(
    system: System,
) -> None:
    made, subscription_id, paid = await has_paid(system, "Starter", "yearly")
    done = await act(system, made, "Business", "upgrade", cycle="monthly")
    assert (done["request_id"], done["amount"]["amount"]) == (None, "0.00")
    assert done["events"] == ["subscription.changed", "credit.requested"]
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["state"], after["product_id"]) == ("active", PLANS["Business"])

    async def look() -> list[CreditRequested] | None:
        return await asked_of_billing(system, made, CreditRequested) or None

    (credit,) = await eventually(look)
    assert credit.invoice_id == paid.invoice_id
    assert [line.amount for line in credit.lines] == [Money(9100, "CHF")]  # 190.00 - 99.00


async def test_what_was_withdrawn_in_time_is_not_activated_by_a_payment_that_was_on_its_way(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Starter")
    done = await act(system, made, "Business", "upgrade", cycle="monthly")
    payment = await payment_of(system, made, done["request_id"], datetime.now(UTC))
    await act(system, made, "Starter", "drop_change")
    before = await system.get(f"/subscriptions/{subscription_id}")
    await settled(system, payment)
    await settled(system, payment.model_copy(update={"settlement": 2}))
    assert await system.get(f"/subscriptions/{subscription_id}") == before
    assert (await history(system, subscription_id))[-3:] == [
        "subscription.change_dropped",
        "invoice.paid",
        "invoice.paid",
    ]
    (withdrawn,) = await asked_of_billing(system, made, InvoiceRequestWithdrawn)
    assert (str(withdrawn.request_id), withdrawn.reason) == (done["request_id"], "dropped")
    await no_failure(system, "subscriptions", made["id"])


async def test_an_upgrade_paid_after_its_period_is_over_comes_too_late_once_it_has_lapsed(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Starter")
    done = await act(system, made, "Business", "upgrade", cycle="monthly")
    late = datetime.now(UTC) + timedelta(days=40)
    assert await make_due(system, due.lapse_offers, late) >= 1
    assert await make_due(system, due.lapse_offers, late) == 0
    await settled(system, await payment_of(system, made, done["request_id"], late))
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert after["product_id"] == PLANS["Starter"]
    (withdrawn,) = await asked_of_billing(system, made, InvoiceRequestWithdrawn)
    assert withdrawn.reason == "lapsed"


async def test_an_upgrade_paid_before_it_lapsed_begins_though_the_period_is_over(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Starter")
    done = await act(system, made, "Business", "upgrade", cycle="monthly")
    late = datetime.now(UTC) + timedelta(days=40)
    await settled(system, await payment_of(system, made, done["request_id"], late))
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["product_id"], after["state"]) == (PLANS["Business"], "active")
