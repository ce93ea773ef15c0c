"""The subscriptions service: what is offered, booked, activated, dropped and granted."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from deploy.local.seed import load
from services.subscriptions.repository import lock_customers
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from services.subscriptions.use_cases.outcomes import activate_paid_bookings
from shared.clock import new_id
from shared.events import Event
from shared.events.billing import InvoiceRejected, InvoiceVoided
from shared.events.subscriptions import ENTITLEMENTS, SUBSCRIPTIONS, EntitlementsChanged
from tests.builders import MODULES, PLANS, customer
from tests.integration.steps import (
    book_modules,
    book_plan,
    database_of,
    in_state,
    invoice_paid,
    new_customer,
    no_failure,
    paid,
    stored,
)
from tests.system import System, eventually

NOON = datetime(2031, 3, 15, 12, tzinfo=UTC)
GERMAN = {"country": "DE", "vat_id": "DE123456788"}
PRIVATE = {"country": "LI", "company_name": ""}
HAVE_TRIALS = {"Starter", "Team", "Analytics"}
# Business is of a group for Swiss customers: the others are not offered it.


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


def amounts(cards: Any) -> dict[str, dict[str, str | None]]:
    """Name -> action -> amount."""
    return {
        card["name"]: {
            " ".join(filter(None, (a["action"], a["cycle"]))): a["amount"] and a["amount"]["amount"]
            for a in card["actions"]
        }
        for card in cards["items"]
    }


async def options(system: System, customer_id: str, kind: str) -> Any:
    return await system.get(f"/customers/{customer_id}/{kind}-options")


async def card(system: System, customer_id: str, kind: str, product_id: str) -> Any:
    found = await options(system, customer_id, kind)
    return next(c for c in found["items"] if c["product_id"] == product_id)


async def events_of(system: System, customer_id: str) -> list[Event]:
    return [e for e in await system.events(SUBSCRIPTIONS) if e.key == customer_id]


async def handled(system: System, customer_id: str, event: Event) -> None:
    """Send an event and wait until subscriptions has settled it."""
    event_id = str(new_id())
    await system.send(event, event_id=event_id)

    async def look() -> bool | None:
        query = "SELECT 1 FROM inbox WHERE event_id = $1"
        return True if await stored(system, "subscriptions", query, UUID(event_id)) else None

    await eventually(look, f"{event.TYPE} of {customer_id} to be handled")


async def linked(system: System, booked: Any) -> None:
    """Wait until the booking knows its invoice."""

    async def look() -> bool | None:
        query = "SELECT 1 FROM offers WHERE request_id = $1 AND invoice_id IS NOT NULL"
        return True if await stored(system, "subscriptions", query, booked["request_id"]) else None

    await eventually(look, "the booking to know its invoice")


async def as_stored(system: System, customer_id: str) -> list[Any]:
    """Everything subscriptions knows about a customer."""
    found: list[Any] = []
    for table in ("subscriptions", "offers", "entitlements"):
        query = f"SELECT * FROM {table} WHERE customer_id = $1 ORDER BY 1, 2"  # noqa: S608
        found.append(await stored(system, "subscriptions", query, customer_id))
    query = "SELECT * FROM periods WHERE subscription_id = ANY($1) ORDER BY 1, 2, 3"
    found.append(await stored(system, "subscriptions", query, [row[0] for row in found[0]]))
    return found


# -- what is offered ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "plans", "modules"),
    [
        pytest.param(
            {},
            {
                "Starter": {"monthly": "20.55", "yearly": "205.40"},
                "Team": {"monthly": "52.95", "yearly": "486.45"},
                "Business": {"monthly": "107.00", "yearly": "1070.20"},
            },
            {
                "Analytics": {"monthly": "16.20", "yearly": "162.15"},
                "Onboarding": {"once": "648.60"},
                "Archive": {"monthly": "9.75", "yearly": "97.30"},
            },
            id="Swiss company, net and 5 Rappen",
        ),
        pytest.param(
            GERMAN,
            {
                "Starter": {"monthly": "18.00", "yearly": "180.00"},
                "Team": {"monthly": "46.00", "yearly": "425.00"},
            },
            {
                "Analytics": {"monthly": "14.00", "yearly": "140.00"},
                "Onboarding": {"once": "560.00"},
                "Archive": {"monthly": "8.50", "yearly": "85.00"},
            },
            id="German company, an export without VAT",
        ),
        pytest.param(
            PRIVATE | {"currency": "EUR"},
            {
                "Starter": {"monthly": "19.46", "yearly": "194.58"},
                "Team": {"monthly": "49.73", "yearly": "459.43"},
            },
            {
                "Analytics": {"monthly": "15.13", "yearly": "151.34"},
                "Onboarding": {"once": "605.36"},
                "Archive": {"monthly": "9.19", "yearly": "91.89"},
            },
            id="private person in Liechtenstein, 8.1 %, cents",
        ),
    ],
)
async def test_each_offered_amount_is_the_total_of_the_invoice_that_follows(
    system: System, who: dict[str, Any], plans: dict[str, Any], modules: dict[str, Any]
) -> None:
    first = await new_customer(system, **who)
    for kind, expected in (("plan", plans), ("module", modules)):
        found = await options(system, first["id"], kind)
        assert amounts(found) == {
            name: {
                "activate_free": None,
                **({"start_trial": None} if name in HAVE_TRIALS else {}),
                **{f"make_invoice {cycle}": amount for cycle, amount in cycles.items()},
            }
            for name, cycles in expected.items()
        }
        assert all(c["reason"] is None and c["state"] is None for c in found["items"])

    async def book(kind: str, name: str, cycle: str, amount: str) -> None:
        made = await new_customer(system, **who)
        booking = book_plan(system, made["id"], name, cycle)
        if kind == "module":
            booking.close()
            booking = book_modules(system, made["id"], **{name: cycle})
        booked = await booking
        assert booked["amount"] == {"amount": amount, "currency": made["currency"]}
        invoice = await system.invoice_of(booked["request_id"])
        assert invoice["total"] == booked["amount"]
        assert invoice["tax_treatment"] == ("export" if who is GERMAN else "standard")

    await asyncio.gather(
        *(
            book(kind, name, cycle, amount)
            for kind, products in (("plan", plans), ("module", modules))
            for name, cycles in products.items()
            for cycle, amount in cycles.items()
        )
    )


async def test_another_expected_total_is_refused_with_the_amount_of_now(system: System) -> None:
    made = await new_customer(system)
    path = f"/customers/{made['id']}/plan-actions"
    action = {"action": "make_invoice", "plan_id": PLANS["Team"], "cycle": "monthly"}
    seen = {"amount": "49.00", "currency": "CHF"}
    refused = await system.post(path, {**action, "expected_total": seen}, expect=409)
    assert refused["type"].endswith("amount_changed")
    assert refused["amount"] == {"amount": "52.95", "currency": "CHF"}
    booked = await system.post(path, {**action, "expected_total": refused["amount"]})
    assert booked["amount"] == refused["amount"]


async def test_a_dry_run_says_the_amount_and_changes_nothing(system: System) -> None:
    customer_id = (await new_customer(system))["id"]
    before = await options(system, customer_id, "plan")
    rows = "SELECT (SELECT count(*) FROM subscriptions), (SELECT count(*) FROM audit)"
    stored_before = await system.rows("subscriptions", rows)
    modules = [
        {"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": "yearly"},
        {"action": "make_invoice", "module_id": MODULES["Onboarding"], "cycle": "once"},
    ]
    plan = {"action": "make_invoice", "plan_id": PLANS["Team"], "cycle": "monthly"}
    base = f"/customers/{customer_id}"

    one = await system.post(f"{base}/plan-actions?dry_run=true", plan)
    both = await system.post(f"{base}/module-actions?dry_run=true", {"actions": modules})
    free = {"action": "activate_free", "plan_id": PLANS["Team"]}
    nothing = await system.post(f"{base}/plan-actions?dry_run=true", free)

    assert one["amount"] == {"amount": "52.95", "currency": "CHF"}
    assert both["amount"] == {"amount": "810.75", "currency": "CHF"}
    assert nothing["amount"] is None
    assert await options(system, customer_id, "plan") == before
    assert await system.rows("subscriptions", rows) == stored_before
    entitled = await system.get(f"{base}/entitlements")
    assert (entitled["version"], entitled["plan"]) == (0, None)


async def test_a_new_price_is_for_new_bookings_only(system: System) -> None:
    catalogue = json.loads(json.dumps(load("catalogue"), default=str))
    plan: dict[str, Any] = {
        "id": str(new_id()),
        "name": "Priced",
        "group_id": catalogue["groups"][0]["id"],
        "prices": [{"currency": "CHF", "cycle": "monthly", "unit_price": "10.00"}],
    }
    assert (await system.api.put("/catalogue", json={"plans": [plan]})).status_code == 204
    early, late = await new_customer(system), await new_customer(system)
    action = {"action": "make_invoice", "plan_id": plan["id"], "cycle": "monthly"}
    booked = await system.post(f"/customers/{early['id']}/plan-actions", action)
    first = await system.invoice_of(booked["request_id"])

    plan["prices"][0]["unit_price"] = "20.00"
    for _ in range(2):  # the second time there is nothing new
        assert (await system.api.put("/catalogue", json={"plans": [plan]})).status_code == 204
    query = "SELECT version, unit_price FROM prices WHERE product_id = $1 ORDER BY version"
    rows = await stored(system, "subscriptions", query, plan["id"])
    assert [(row[0], str(row[1])) for row in rows] == [(1, "10.0000"), (2, "20.0000")]

    again = await system.post(f"/customers/{late['id']}/plan-actions", action)
    second = await system.invoice_of(again["request_id"])
    assert (first["total"]["amount"], second["total"]["amount"]) == ("10.80", "21.60")
    await paid(system, first)
    await in_state(system, booked["subscriptions"][0]["id"], "active")
    kept = (
        "SELECT p.version FROM subscriptions s JOIN prices p ON p.id = s.price_id WHERE s.id = $1"
    )
    assert await stored(system, "subscriptions", kept, booked["subscriptions"][0]["id"]) == [(1,)]
    found = await system.get("/catalogue")
    (offered,) = (p for p in found["plans"] if p["id"] == plan["id"])
    assert offered["prices"][0]["unit_price"] == "20.00"


async def test_of_two_new_prices_at_once_both_are_kept_in_turn(system: System) -> None:
    group = str(load("catalogue")["groups"][0]["id"])
    plan = {"id": str(new_id()), "name": "Raced", "group_id": group}

    def priced(amount: str) -> Any:
        price = {"currency": "CHF", "cycle": "monthly", "unit_price": amount}
        return {"plans": [{**plan, "prices": [price]}]}

    answers = await asyncio.gather(
        *(system.api.put("/catalogue", json=priced(f"{n}.00")) for n in range(1, 6))
    )
    assert {answer.status_code for answer in answers} == {204}
    query = "SELECT count(*), max(version) FROM prices WHERE product_id = $1"
    assert await stored(system, "subscriptions", query, plan["id"]) == [(5, 5)]


# -- free --------------------------------------------------------------------------------------


async def test_a_priced_plan_activated_free_is_a_gift_without_end(system: System) -> None:
    made = await new_customer(system)
    path = f"/customers/{made['id']}/plan-actions"
    answer = await system.post(path, {"action": "activate_free", "plan_id": PLANS["Team"]})
    assert (answer["request_id"], answer["amount"]) == (None, None)
    (subscription,) = answer["subscriptions"]
    assert (subscription["state"], subscription["origin"]) == ("active", "gift")
    assert (subscription["period"], subscription["cycle"]) == (None, None)
    assert await system.get(f"/subscriptions/{subscription['id']}") == subscription
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["plan"]["subscription_id"] == subscription["id"]
    assert (entitled["paid_until"], entitled["access_until"]) == (None, None)

    async def told() -> list[Event] | None:
        return await events_of(system, made["id"]) or None

    (event,) = await eventually(told)
    assert (event.TYPE, event.origin) == ("subscription.activated", "gift")  # type: ignore[attr-defined]


async def test_a_free_plan_is_free_and_not_a_gift(system: System) -> None:
    group = str(load("catalogue")["groups"][0]["id"])
    plan: dict[str, Any] = {
        "id": str(new_id()),
        "name": "Free",
        "group_id": group,
        "is_free": True,
        "max_users": 2,
    }
    assert (await system.api.put("/catalogue", json={"plans": [plan]})).status_code == 204
    made = await new_customer(system)
    offered = await card(system, made["id"], "plan", plan["id"])
    assert [a["action"] for a in offered["actions"]] == ["activate_free"]
    path = f"/customers/{made['id']}/plan-actions"
    answer = await system.post(path, {"action": "activate_free", "plan_id": plan["id"]})
    assert answer["subscriptions"][0]["origin"] == "free"
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert (entitled["plan"]["name"], entitled["max_users"]) == ("Free", 2)


# -- modules -----------------------------------------------------------------------------------


async def test_several_modules_go_on_one_invoice_and_become_active_together(
    system: System,
) -> None:
    made = await new_customer(system)
    booked = await book_modules(
        system, made["id"], Analytics="monthly", Archive="yearly", Onboarding="once"
    )
    invoice = await system.invoice_of(booked["request_id"])
    titles = [line["title"] for line in invoice["lines"]]
    assert titles == ["Modul Auswertungen", "Modul Archiv", "Modul Einführung"]
    # (15 + 90 + 600) x 1.081, rounded once
    assert invoice["total"] == booked["amount"] == {"amount": "762.10", "currency": "CHF"}
    count = "SELECT count(*) FROM invoices WHERE customer_id = $1"
    assert await stored(system, "billing", count, made["id"]) == [(1,)]
    waiting = await card(system, made["id"], "module", MODULES["Archive"])
    assert (waiting["state"], [a["action"] for a in waiting["actions"]]) == (
        "pending",
        ["withdraw"],
    )
    assert waiting["waiting"]["request_id"] == booked["request_id"]

    half = {"amount": {"amount": "700.00", "currency": "CHF"}}
    await system.post(f"/invoices/{invoice['id']}/payments", half)
    rest = await system.get(f"/invoices/{invoice['id']}")
    await paid(system, rest)
    found = [await in_state(system, s["id"], "active") for s in booked["subscriptions"]]
    by_product = {s["product_id"]: s for s in found}
    once = by_product[MODULES["Onboarding"]]
    assert (once["period"], once["cycle"], once["origin"]) == (None, "once", "invoice")
    assert by_product[MODULES["Analytics"]]["period"] is not None
    ledger = "SELECT subscription_id FROM periods WHERE subscription_id = ANY($1)"
    rows = await stored(system, "subscriptions", ledger, [UUID(s["id"]) for s in found])
    assert {str(row[0]) for row in rows} == {s["id"] for s in found if s is not once}


async def test_when_one_module_is_not_possible_none_is_booked(system: System) -> None:
    made = await new_customer(system)
    path = f"/customers/{made['id']}/module-actions"
    booked = await book_modules(system, made["id"], Archive="monthly")
    await linked(system, booked)
    before = await as_stored(system, made["id"])
    actions = [
        {"action": "activate_free", "module_id": MODULES["Analytics"]},
        {"action": "make_invoice", "module_id": MODULES["Onboarding"], "cycle": "once"},
        {"action": "make_invoice", "module_id": MODULES["Archive"], "cycle": "monthly"},
    ]
    answer = await system.post(path, {"actions": actions}, expect=409)
    assert "Waiting for payment" in answer["detail"]
    assert await as_stored(system, made["id"]) == before


async def test_a_module_in_the_plan_cannot_be_booked_beside_it(system: System) -> None:
    made = await new_customer(system)
    plan = {"action": "activate_free", "plan_id": PLANS["Business"]}
    await system.post(f"/customers/{made['id']}/plan-actions", plan)
    included = await card(system, made["id"], "module", MODULES["Archive"])
    assert (included["actions"], included["reason"]) == ([], "Included in plan.")
    action = {"action": "make_invoice", "module_id": MODULES["Archive"], "cycle": "monthly"}
    path = f"/customers/{made['id']}/module-actions"
    answer = await system.post(path, {"actions": [action]}, expect=409)
    assert "Included in plan." in answer["detail"]


async def test_a_plan_that_waits_for_payment_includes_nothing_yet(system: System) -> None:
    made = await new_customer(system)
    await book_plan(system, made["id"], "Business")
    offered = await card(system, made["id"], "module", MODULES["Archive"])
    assert offered["reason"] is None
    assert len(offered["actions"]) == 3


# -- paid --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cycle", "paid_at", "zone", "start", "end", "anchor"),
    [
        ("monthly", "2031-01-31T12:00", "Europe/Zurich", "2031-01-31", "2031-02-28", 31),
        ("monthly", "2032-01-31T12:00", "Europe/Zurich", "2032-01-31", "2032-02-29", 31),
        ("monthly", "2031-08-31T12:00", "Europe/Zurich", "2031-08-31", "2031-09-30", 31),
        ("monthly", "2031-02-28T12:00", "Europe/Zurich", "2031-02-28", "2031-03-28", 28),
        ("yearly", "2032-02-29T12:00", "Europe/Zurich", "2032-02-29", "2033-02-28", 29),
        ("yearly", "2031-12-31T12:00", "Europe/Zurich", "2031-12-31", "2032-12-31", 31),
        # 23:30 UTC is tomorrow in Zurich, summer and winter, and still yesterday in Los Angeles.
        ("monthly", "2031-01-15T23:30", "Europe/Zurich", "2031-01-16", "2031-02-16", 16),
        ("monthly", "2031-07-15T22:30", "Europe/Zurich", "2031-07-16", "2031-08-16", 16),
        ("monthly", "2031-01-15T22:30", "Europe/Zurich", "2031-01-15", "2031-02-15", 15),
        ("yearly", "2031-12-31T23:30", "Europe/Zurich", "2032-01-01", "2033-01-01", 1),
        ("monthly", "2031-01-15T07:30", "America/Los_Angeles", "2031-01-14", "2031-02-14", 14),
        ("monthly", "2031-01-15T10:30", "Pacific/Kiritimati", "2031-01-16", "2031-02-16", 16),
    ],
)
async def test_the_period_starts_on_the_customers_own_day_of_the_payment(
    system: System, cycle: str, paid_at: str, zone: str, start: str, end: str, anchor: int
) -> None:
    made = await new_customer(system, time_zone=zone)
    booked = await book_plan(system, made["id"], "Team", cycle)
    instant = datetime.fromisoformat(f"{paid_at}+00:00")
    event = invoice_paid(made["id"], booked, instant)
    async with database_of(system, "subscriptions") as database, database.transaction() as tx:
        await lock_customers(tx, [event.customer_id])  # as the batch does
        await activate_paid_bookings(tx, [event], now=NOON, new_id=new_id)
    found = await system.get(f"/subscriptions/{booked['subscriptions'][0]['id']}")
    assert found["state"] == "active"
    assert found["period"] == {"start": start, "end": end}
    query = "SELECT anchor_day FROM subscriptions WHERE id = $1"
    assert await stored(system, "subscriptions", query, found["id"]) == [(anchor,)]
    ledger = (
        "SELECT period_start::text, period_end::text, outcome, invoice_id "
        "FROM periods WHERE subscription_id = $1"
    )
    assert await stored(system, "subscriptions", ledger, found["id"]) == [
        (start, end, "billed", event.invoice_id)
    ]
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert (entitled["paid_until"], entitled["access_until"]) == (end, None)


async def test_paid_told_again_and_again_changes_nothing(system: System) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    await linked(system, booked)
    first = invoice_paid(made["id"], booked, NOON)
    await handled(system, made["id"], first)
    await in_state(system, booked["subscriptions"][0]["id"], "active")
    before = await as_stored(system, made["id"])
    later = invoice_paid(made["id"], booked, NOON.replace(month=5), settlement=2)
    await handled(system, made["id"], first)
    await handled(system, made["id"], later)
    assert await as_stored(system, made["id"]) == before
    await no_failure(system, "subscriptions", made["id"])
    types = [event.TYPE for event in await events_of(system, made["id"])]
    assert types == ["subscription.booked", "subscription.activated"]


@pytest.mark.parametrize("how", ["voided", "rejected"])
async def test_a_dropped_booking_is_never_activated_and_can_be_booked_anew(
    system: System, how: str
) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    await linked(system, booked)
    (subscription,) = booked["subscriptions"]
    payment = invoice_paid(made["id"], booked, NOON)
    fields = payment.model_dump(include={"customer_id", "invoice_id", "version", "number", "lines"})
    dropped: Event = InvoiceVoided(**fields)
    if how == "rejected":
        dropped = InvoiceRejected(
            customer_id=made["id"],
            request_id=booked["request_id"],
            subscription_ids=(subscription["id"],),
            reason="amount_changed",
            detail="it costs more",
        )
    await handled(system, made["id"], dropped)
    assert (await in_state(system, subscription["id"], "withdrawn"))["version"] == 2
    before = await as_stored(system, made["id"])
    await handled(system, made["id"], payment)
    await handled(system, made["id"], dropped)
    assert await as_stored(system, made["id"]) == before
    await no_failure(system, "subscriptions", made["id"])

    offered = await card(system, made["id"], "plan", PLANS["Team"])
    assert (offered["state"], offered["waiting"], offered["reason"]) == (None, None, None)
    again = await book_plan(system, made["id"], "Team", "yearly")
    assert again["subscriptions"][0]["id"] != subscription["id"]

    async def told() -> list[Event] | None:
        found = await events_of(system, made["id"])
        return found if len(found) >= 3 else None

    found = await eventually(told)
    assert [e.TYPE for e in found] == [
        "subscription.booked",
        "subscription.booking_dropped",
        "subscription.booked",
    ]
    reason = "invoice_voided" if how == "voided" else "amount_changed"
    assert found[1].reason == reason  # type: ignore[attr-defined]


async def test_an_invoice_that_was_replaced_drops_nothing(system: System) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    payment = invoice_paid(made["id"], booked, NOON)
    fields = payment.model_dump(include={"customer_id", "invoice_id", "version", "number", "lines"})
    await handled(system, made["id"], InvoiceVoided(**fields, replaced_by=new_id()))
    assert (await system.get(f"/subscriptions/{booked['subscriptions'][0]['id']}"))["version"] == 1
    await handled(system, made["id"], payment)
    await in_state(system, booked["subscriptions"][0]["id"], "active")


async def test_an_invoice_without_subscriptions_is_ignored_not_parked(system: System) -> None:
    made = await new_customer(system)
    nothing: dict[str, Any] = {"request_id": None, "subscriptions": []}
    await handled(system, made["id"], invoice_paid(made["id"], nothing, NOON))
    query = "SELECT 1 FROM parked_messages WHERE key = $1"
    assert await stored(system, "subscriptions", query, made["id"]) == []
    assert (await system.get(f"/customers/{made['id']}/entitlements"))["version"] == 0


# -- entitlements ------------------------------------------------------------------------------


async def test_entitlements_say_exactly_what_may_be_used_and_count_changes_only(
    system: System,
) -> None:
    made = await new_customer(system)
    path = f"/customers/{made['id']}"
    nothing: dict[str, Any] = {
        "customer_id": made["id"],
        "version": 0,
        "plan": None,
        "modules": [],
        "features": {},
        "max_users": 0,
        "over_limit": False,
        "paid_until": None,
        "access_until": None,
    }
    assert await system.get(f"{path}/entitlements") == nothing
    booked = await book_plan(system, made["id"], "Business")
    (plan,) = booked["subscriptions"]
    assert await system.get(f"{path}/entitlements") == nothing
    await handled(system, made["id"], invoice_paid(made["id"], booked, NOON))
    granted = {
        **nothing,
        "version": 1,
        "plan": {"id": PLANS["Business"], "name": "Business", "subscription_id": plan["id"]},
        "modules": [{"id": MODULES["Archive"], "name": "Archive", "subscription_id": plan["id"]}],
        "features": {"api": True, "archive_years": "10", "reports": True},
        "paid_until": "2031-04-15",
    }
    assert await system.get(f"{path}/entitlements") == granted

    booked = await book_modules(system, made["id"], Analytics="monthly")
    assert await system.get(f"{path}/entitlements") == granted
    invoice = await system.invoice_of(booked["request_id"])
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
    assert await system.get(f"{path}/entitlements") == granted

    free = {"action": "activate_free", "module_id": MODULES["Analytics"]}
    answer = await system.post(f"{path}/module-actions", {"actions": [free]})
    (module,) = answer["subscriptions"]
    more = {"id": MODULES["Analytics"], "name": "Analytics", "subscription_id": module["id"]}
    granted |= {"version": 2, "modules": [more, *granted["modules"]]}
    assert await system.get(f"{path}/entitlements") == granted

    async def published() -> list[EntitlementsChanged] | None:
        found = [
            event
            for event in await system.events(ENTITLEMENTS)
            if event.key == made["id"] and isinstance(event, EntitlementsChanged)
        ]
        return found if found and found[-1].version == 2 else None

    found = await eventually(published)
    assert [event.version for event in found] == [1, 2]
    assert found[-1].model_dump(mode="json") == granted


async def test_entitlements_found_unchanged_are_not_told_again(system: System) -> None:
    made = await new_customer(system)
    free = {"action": "activate_free", "plan_id": PLANS["Team"]}
    await system.post(f"/customers/{made['id']}/plan-actions", free)
    before = await as_stored(system, made["id"])
    waiting = "SELECT count(*) FROM outbox WHERE type = 'entitlements.changed'"
    async with database_of(system, "subscriptions") as database, database.transaction() as tx:
        told = await tx.scalar(text(waiting))
        await refresh_entitlements(tx, [UUID(made["id"])], now=NOON, new_id=new_id)
        assert await tx.scalar(text(waiting)) <= told
    assert await as_stored(system, made["id"]) == before


async def test_entitlements_of_one_customer_do_not_touch_another(system: System) -> None:
    one, other = await new_customer(system), await new_customer(system)
    free = {"action": "activate_free", "plan_id": PLANS["Team"]}
    await system.post(f"/customers/{one['id']}/plan-actions", free)
    assert (await system.get(f"/customers/{other['id']}/entitlements"))["plan"] is None
    offered = await options(system, other["id"], "plan")
    assert all(c["reason"] is None for c in offered["items"])


async def test_subscriptions_are_listed_in_pages_each_once(system: System) -> None:
    made = await system.post("/customers", customer())
    await system.known(made["id"])
    actions = [
        {"action": "activate_free", "module_id": module}
        for module in (MODULES["Analytics"], MODULES["Archive"], MODULES["Onboarding"])
    ]
    await system.post(f"/customers/{made['id']}/module-actions", {"actions": actions})
    first = await system.get("/subscriptions", customer_id=made["id"], limit=2)
    rest = await system.get("/subscriptions", customer_id=made["id"], limit=2, after=first["next"])
    products = [s["product_id"] for s in (*first["items"], *rest["items"])]
    assert sorted(products) == sorted(a["module_id"] for a in actions)
    assert rest["next"] is None
