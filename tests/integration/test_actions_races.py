"""What happens at the same time: payments in flight, corrections, refusals, others' decisions.

With all services. `standstill` holds everything that is said back, so that both sides have decided
before either hears of the other.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from deploy.local.seed import load
from shared.messaging import relay
from tests.builders import PLANS
from tests.integration.action_steps import act, card, history, offered
from tests.integration.steps import (
    book_modules,
    book_plan,
    in_state,
    new_customer,
    no_failure,
    paid,
    stored,
)
from tests.system import System, eventually


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@contextmanager
def standstill() -> Iterator[None]:
    """Nothing that is said reaches anybody before the end."""
    with patch.object(relay, "_ANY", "SELECT $1 < 0"):
        yield


async def booked(system: System, plan: str = "Team") -> tuple[Any, str, Any]:
    """A customer whose first plan waits for its invoice."""
    made = await new_customer(system)
    asked = await book_plan(system, made["id"], plan)
    return made, asked["subscriptions"][0]["id"], await invoiced(system, asked)


async def with_plan(system: System, plan: str = "Starter") -> tuple[Any, str, Any]:
    made, subscription_id, invoice = await booked(system, plan)
    await paid(system, invoice)
    await in_state(system, subscription_id, "active")
    return made, subscription_id, invoice


async def invoiced(system: System, asked: Any) -> Any:
    """The invoice of a request, once the offer knows it too."""
    invoice = await system.invoice_of(asked["request_id"])

    async def linked() -> bool | None:
        query = "SELECT 1 FROM offers WHERE request_id = $1 AND invoice_id = $2"
        found = await stored(system, "subscriptions", query, asked["request_id"], invoice["id"])
        return bool(found) or None

    await eventually(linked, "the offer to know its invoice")
    return invoice


async def invoice_is(system: System, invoice: Any, **wanted: Any) -> Any:
    async def look() -> Any:
        found = await system.get(f"/invoices/{invoice['id']}")
        return found if {name: found[name] for name in wanted} == wanted else None

    return await eventually(look, f"invoice {invoice['number']} to have {wanted}")


async def balance_is(system: System, customer: Any, amount: str) -> None:
    async def look() -> bool | None:
        found = await system.get(f"/customers/{customer['id']}/balance")
        return True if [b["amount"] for b in found["balances"]] == [amount] else None

    await eventually(look, f"a balance of {amount}")


async def has_history(system: System, subscription_id: str, *last: str) -> list[Any]:
    async def look() -> Any:
        return (await history(system, subscription_id))[-len(last) :] == [*last] or None

    await eventually(look, f"a history that ends with {last}")
    found = await system.get(f"/subscriptions/{subscription_id}/history")
    return list(reversed(found["items"]))


async def pay(system: System, invoice: Any, expect: int = 201) -> Any:
    path = f"/invoices/{invoice['id']}/payments"
    return await system.post(path, {"amount": invoice["open_amount"]}, expect=expect)


async def quiet(system: System, customer: Any) -> None:
    for service in ("subscriptions", "billing"):
        await no_failure(system, service, customer["id"])


# -- withdrawal against payment --------------------------------------------------------------------


async def test_paid_while_it_is_dropped_the_change_stays_dropped_and_the_money_is_kept(
    system: System,
) -> None:
    made, subscription_id, _ = await with_plan(system)
    invoice = await invoiced(system, await act(system, made, "Team", "upgrade", cycle="monthly"))
    before = await system.get(f"/subscriptions/{subscription_id}")
    with standstill():
        await act(system, made, "Starter", "drop_change")
        await pay(system, invoice)

    await has_history(
        system, subscription_id, "subscription.change_dropped", "invoice.paid"
    )  # the operator reads here that money came for what was let go of
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert (after["product_id"], after["period"]) == (before["product_id"], before["period"])
    await balance_is(system, made, invoice["total"]["amount"])
    credited = await invoice_is(system, invoice, credited=invoice["total"])
    assert credited["paid"] == invoice["total"]
    await quiet(system, made)


async def test_paid_while_it_is_withdrawn_a_first_booking_grants_nothing(system: System) -> None:
    made, subscription_id, invoice = await booked(system)
    with standstill():
        await pay(system, invoice)
        await act(system, made, "Team", "withdraw")

    await has_history(system, subscription_id, "subscription.withdrawn", "invoice.paid")
    assert (await system.get(f"/customers/{made['id']}/entitlements"))["plan"] is None
    await balance_is(system, made, invoice["total"]["amount"])
    await quiet(system, made)


async def test_the_payment_that_was_first_wins_and_there_is_nothing_left_to_drop(
    system: System,
) -> None:
    made, subscription_id, _ = await with_plan(system)
    invoice = await invoiced(system, await act(system, made, "Team", "upgrade", cycle="monthly"))
    await pay(system, invoice)
    await has_history(system, subscription_id, "subscription.changed")
    refused = await act(system, made, "Team", "drop_change", expect=409)
    assert refused["type"].endswith("action_not_offered")
    assert (await system.get(f"/customers/{made['id']}/entitlements"))["plan"]["name"] == "Team"


async def test_the_withdrawal_that_was_first_wins_and_the_form_takes_no_money(
    system: System,
) -> None:
    made, subscription_id, _ = await with_plan(system)
    invoice = await invoiced(system, await act(system, made, "Team", "upgrade", cycle="monthly"))
    await act(system, made, "Starter", "drop_change")
    await invoice_is(system, invoice, state="void")
    refused = await pay(system, invoice, expect=409)
    assert refused["type"].endswith("invoice_void")
    await has_history(system, subscription_id, "subscription.change_dropped")


async def test_whoever_is_faster_money_and_plan_are_had_once(system: System) -> None:
    async def race() -> None:
        made, subscription_id, invoice = await booked(system)
        path = f"/customers/{made['id']}/plan-actions"
        withdraw = {"plan_id": PLANS["Team"], "action": "withdraw"}
        took, let_go = await asyncio.gather(
            system.api.post(
                f"/invoices/{invoice['id']}/payments", json={"amount": invoice["open_amount"]}
            ),
            system.api.post(path, json=withdraw),
        )
        assert {took.status_code, let_go.status_code} <= {201, 409}
        assert let_go.status_code == 201, "active or pending, it can be withdrawn"
        found = await in_state(system, subscription_id, "withdrawn")
        total = invoice["total"]["amount"]
        if took.status_code == 409:
            await invoice_is(system, invoice, state="void")
        elif found["term"] == 0:
            await balance_is(system, made, total)
        else:  # it was active for a moment, and its value is forfeited
            await invoice_is(system, invoice, state="paid")
        await quiet(system, made)

    for _ in range(4):
        await race()


async def test_an_offer_lapses_while_it_is_paid_and_the_money_is_kept(system: System) -> None:
    made, subscription_id, invoice = await booked(system)
    with standstill():
        system.advance(timedelta(days=25))  # due after 10 days, and 14 more
        await in_state(system, subscription_id, "withdrawn")
        await pay(system, invoice)
    entries = await has_history(
        system, subscription_id, "subscription.booking_dropped", "invoice.paid"
    )
    assert entries[-2]["reason"] == "lapsed"
    await balance_is(system, made, invoice["total"]["amount"])
    await quiet(system, made)


# -- corrections and refusals ----------------------------------------------------------------------


async def test_of_two_modules_one_is_withdrawn_and_the_other_waits_for_the_new_invoice(
    system: System,
) -> None:
    made = await new_customer(system)
    asked = await book_modules(system, made["id"], Analytics="monthly", Archive="monthly")
    old = await invoiced(system, asked)
    ids = {s["product_id"]: s["id"] for s in asked["subscriptions"]}
    (kept,) = (s for p, s in ids.items() if p.endswith("21"))
    (gone,) = (s for p, s in ids.items() if p.endswith("23"))
    await act(system, made, "Archive", "withdraw")
    void = await invoice_is(system, old, state="void")
    new = await system.get(f"/invoices/{void['replaced_by']}")

    refused = await pay(system, old, expect=409)
    assert new["number"] in refused["detail"]
    assert refused["replaced_by"] == new["id"]
    assert new["total"]["amount"] == "16.20"  # 15.00 and VAT
    await pay(system, new)
    await in_state(system, kept, "active")
    assert (await system.get(f"/subscriptions/{gone}"))["state"] == "withdrawn"
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert [m["name"] for m in entitled["modules"]] == ["Analytics"]
    await quiet(system, made)


async def test_paid_while_one_of_two_is_withdrawn_the_other_begins_and_the_surplus_is_kept(
    system: System,
) -> None:
    made = await new_customer(system)
    asked = await book_modules(system, made["id"], Analytics="monthly", Archive="monthly")
    invoice = await invoiced(system, asked)
    with standstill():
        await act(system, made, "Archive", "withdraw")
        await pay(system, invoice)
    (kept,) = (s["id"] for s in asked["subscriptions"] if s["product_id"].endswith("21"))
    await in_state(system, kept, "active")
    await balance_is(system, made, "9.75")  # 25.95 - 16.20
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert [m["name"] for m in entitled["modules"]] == ["Analytics"]
    await quiet(system, made)


async def save_seller(system: System, **different: Any) -> None:
    body = {**load("seller"), **different}
    answer = await system.api.put("/settings/seller", json=_plain(body))
    assert answer.is_success, answer.text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


async def known_seller(system: System) -> None:
    async def look() -> bool | None:
        query = "SELECT max(version) FROM seller_settings"
        here, there = [await stored(system, s, query) for s in ("subscriptions", "billing")]
        return True if here == there else None

    await eventually(look, "the seller's settings in subscriptions")


@pytest.mark.parametrize("first", [True, False], ids=["a first booking", "an upgrade"])
async def test_vat_that_changes_before_the_opening_rejects_the_request_and_says_why(
    system: System, first: bool
) -> None:
    made, subscription_id = await new_customer(system), None
    if not first:
        made, subscription_id, _ = await with_plan(system)
    rates = [r for r in load("seller")["vat_rates"] if r["country"] != "CH"]
    dearer = {"country": "CH", "category": "standard", "percent": "9.9"}
    try:
        with standstill():
            action = "make_invoice" if first else "upgrade"
            asked = await act(system, made, "Team", action, cycle="monthly")
            await save_seller(system, vat_rates=[*rates, {**dearer, "valid_from": "2024-01-01"}])
        (subscription,) = asked["subscriptions"]
        dropped = "booking_dropped" if first else "change_dropped"
        entries = await has_history(system, subscription["id"], f"subscription.{dropped}")
        assert (entries[-1]["actor"], entries[-1]["reason"][:8]) == ("billing", "expected")
        assert asked["amount"]["amount"] in entries[-1]["reason"]
        assert entries[-1]["after"]["offer"]["request_id"] == asked["request_id"]
    finally:
        await save_seller(system)
        await known_seller(system)
    again = await card(system, made, "Team")
    assert f"{action} monthly" in offered(again)
    query = "SELECT count(*) FROM invoices WHERE request_id = $1"
    assert await stored(system, "billing", query, asked["request_id"]) == [(0,)]
    if subscription_id:
        await in_state(system, subscription_id, "active")
    await quiet(system, made)


async def test_credited_before_it_is_paid_nothing_waits_and_afterwards_access_stays(
    system: System,
) -> None:
    made, subscription_id, invoice = await booked(system)
    await system.post(f"/invoices/{invoice['id']}/credit-notes", {})
    await in_state(system, subscription_id, "withdrawn")
    entries = await has_history(system, subscription_id, "subscription.booking_dropped")
    assert entries[-1]["reason"] == "invoice_credited"

    made, subscription_id, invoice = await with_plan(system)
    await system.post(f"/invoices/{invoice['id']}/credit-notes", {})
    await has_history(system, subscription_id, "subscription.activated", "invoice.credited")
    await in_state(system, subscription_id, "active")
    preview = await act(system, made, "Starter", "withdraw", dry_run=True)
    assert preview["forfeited"] is None, "nothing of it is left"
    assert (await system.get(f"/customers/{made['id']}/entitlements"))["plan"]["name"] == "Starter"


async def test_a_voided_offer_is_dropped_and_what_runs_goes_on(system: System) -> None:
    made, subscription_id, _ = await with_plan(system)
    before = await system.get(f"/subscriptions/{subscription_id}")
    invoice = await invoiced(system, await act(system, made, "Team", "upgrade", cycle="monthly"))
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    entries = await has_history(system, subscription_id, "subscription.change_dropped")
    assert entries[-1]["reason"] == "invoice_voided"
    after = await system.get(f"/subscriptions/{subscription_id}")
    assert {**after, "version": 0} == {**before, "version": 0}
    assert "upgrade monthly" in offered(await card(system, made, "Team"))


# -- one value, two offers -------------------------------------------------------------------------


async def test_value_that_an_offer_credits_is_not_given_a_second_time(system: System) -> None:
    made = await new_customer(system)
    archive = await book_modules(system, made["id"], Archive="monthly")
    await paid(system, await system.invoice_of(archive["request_id"]))
    (module,) = archive["subscriptions"]
    await in_state(system, module["id"], "active")
    plan = await act(system, made, "Business", "make_invoice", cycle="monthly")
    assert plan["credit"]["amount"] == "9.75"
    first = await invoiced(system, plan)

    yearly = await act(system, made, "Archive", "change_cycle", cycle="yearly")
    await paid(system, await system.invoice_of(yearly["request_id"]))
    (business,) = plan["subscriptions"]
    entries = await has_history(system, business["id"], "subscription.booking_dropped")
    assert entries[-1]["reason"] == "credit_gone"
    await invoice_is(system, first, state="void")
    again = await act(system, made, "Business", "make_invoice", cycle="monthly", dry_run=True)
    assert again["credit"]["amount"] == "97.30"  # 90.00 and VAT, of the year that is paid now
    await quiet(system, made)
