"""The main job in one process: every service, real Kafka, real PostgreSQL, real SMTP."""

from typing import Any
from uuid import uuid4

from shared.events.subscriptions import ENTITLEMENTS, SUBSCRIPTIONS
from tests.builders import MODULES, PLANS, customer
from tests.system import System, eventually


async def test_a_paid_invoice_activates_the_plan_and_nothing_before_does(system: System) -> None:
    await system.seeded()
    address = f"{uuid4().hex}@musterhotel.example"
    made = await system.post("/customers", customer(email=address))
    await system.known(made["id"])
    booked = await system.post(
        f"/customers/{made['id']}/plan-actions",
        {"action": "make_invoice", "plan_id": PLANS["Team"], "cycle": "monthly"},
    )
    invoice = await system.invoice_of(booked["request_id"])
    assert invoice["total"] == {"amount": "52.95", "currency": "CHF"}
    subscription = f"/subscriptions/{booked['subscriptions'][0]['id']}"

    await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": {"amount": "52.90", "currency": "CHF"}}
    )
    assert (await system.get(subscription))["state"] == "pending"

    await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": {"amount": "0.05", "currency": "CHF"}}
    )

    async def active() -> dict[str, Any] | None:
        found: dict[str, Any] = await system.get(subscription)
        return found if found["state"] == "active" else None

    found = await eventually(active, "the plan to be active")
    assert found["period"]["start"] < found["period"]["end"]
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["plan"]["id"] == PLANS["Team"]

    async def told() -> list[str] | None:
        types = [e.TYPE for e in await system.events(SUBSCRIPTIONS) if e.key == made["id"]]
        return types if "subscription.activated" in types else None

    assert await eventually(told) == ["subscription.booked", "subscription.activated"]

    async def entitlements() -> int | None:
        found = [e for e in await system.events(ENTITLEMENTS) if e.key == made["id"]]
        return len(found) or None

    assert await eventually(entitlements) == 1

    async def mailed() -> bool | None:
        return True if len(system.mails(address)) == 1 else None

    await eventually(mailed, "the mail", limit_s=90)


async def test_a_voided_invoice_gives_the_product_free_again(system: System) -> None:
    await system.seeded()
    made = await system.post("/customers", customer())
    await system.known(made["id"])
    path = f"/customers/{made['id']}/module-actions"
    action = {
        "actions": [
            {"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": "monthly"}
        ]
    }
    booked = await system.post(path, action)
    await system.post(path, action, expect=409)
    invoice = await system.invoice_of(booked["request_id"])
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)

    async def dropped() -> bool | None:
        found = await system.get(f"/subscriptions/{booked['subscriptions'][0]['id']}")
        return True if found["state"] == "withdrawn" else None

    await eventually(dropped, "the booking to be dropped")
    await system.post(path, action)
