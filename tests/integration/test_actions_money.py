"""Plans and modules with the real billing: what is asked for, what becomes of it, and back."""

from typing import Any

import pytest

from tests.builders import PLANS
from tests.integration.action_steps import act, card
from tests.integration.steps import book_plan, in_state, new_customer, paid
from tests.system import System, eventually


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


async def with_plan(system: System, plan: str, cycle: str = "monthly") -> tuple[Any, str, Any]:
    """A customer, its paid plan, and the invoice that was paid."""
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], plan, cycle)
    invoice = await system.invoice_of(booked["request_id"])
    await paid(system, invoice)
    (subscription,) = booked["subscriptions"]
    await in_state(system, subscription["id"], "active")
    return made, subscription["id"], invoice


async def became(system: System, subscription_id: str, plan: str) -> Any:
    async def look() -> Any:
        found = await system.get(f"/subscriptions/{subscription_id}")
        return found if found["product_id"] == PLANS[plan] else None

    return await eventually(look, f"the plan to be {plan}")


async def in_invoice_state(system: System, invoice: Any, state: str) -> Any:
    async def look() -> Any:
        found = await system.get(f"/invoices/{invoice['id']}")
        return found if found["state"] == state else None

    return await eventually(look, f"invoice {invoice['number']} to be {state}")


async def test_an_upgrade_costs_what_was_shown_and_begins_when_it_is_paid(system: System) -> None:
    made, subscription_id, _ = await with_plan(system, "Starter")
    asked = await act(system, made, "Business", "upgrade", cycle="monthly")
    invoice = await system.invoice_of(asked["request_id"])
    assert invoice["total"] == asked["amount"] == {"amount": "86.50", "currency": "CHF"}
    assert [line["explanation"][:9] for line in invoice["lines"]] == ["", "CHF 19.00"]
    assert (await card(system, made, "Starter"))["state"] == "active"
    await paid(system, invoice)
    await became(system, subscription_id, "Business")


async def test_a_dropped_upgrade_leaves_no_open_invoice(system: System) -> None:
    made, _, _ = await with_plan(system, "Starter")
    asked = await act(system, made, "Team", "upgrade", cycle="monthly")
    invoice = await system.invoice_of(asked["request_id"])
    await act(system, made, "Starter", "drop_change")
    await in_invoice_state(system, invoice, "void")
    assert (await card(system, made, "Starter"))["waiting"] is None


async def test_what_is_left_of_a_change_comes_back_into_the_balance(system: System) -> None:
    made, subscription_id, _ = await with_plan(system, "Starter", "yearly")
    asked = await act(system, made, "Business", "upgrade", cycle="monthly")
    assert asked["request_id"] is None
    await became(system, subscription_id, "Business")

    async def look() -> Any:
        found = await system.get(f"/customers/{made['id']}/balance")
        return found if found["balances"] else None

    balance = await eventually(look, "the balance")
    # 190.00 - 99.00 with the VAT that was charged, rounded as the invoice was.
    assert "98.3" in str(balance) or "98.4" in str(balance), balance


async def test_a_payment_that_bounces_makes_past_due_until_it_is_paid_again(
    system: System,
) -> None:
    made, subscription_id, invoice = await with_plan(system, "Team")
    before = await system.get(f"/subscriptions/{subscription_id}")
    found = await system.get(f"/invoices/{invoice['id']}/payments")
    payment = found["items"][0]
    await system.post(f"/payments/{payment['id']}/reverse", {"reason": "bounced"}, expect=200)
    await in_state(system, subscription_id, "past_due")
    assert "cancel" in {a["action"] for a in (await card(system, made, "Team"))["actions"]}
    await paid(system, await system.get(f"/invoices/{invoice['id']}"))
    after = await in_state(system, subscription_id, "active")
    assert after["period"] == before["period"]
