"""Deactivating, freezing and erasing customers, and what every copy makes of it."""

import json
from typing import Any
from uuid import UUID

import pytest

from shared.events import Event
from shared.events.billing import INVOICES, InvoiceRejected
from shared.events.customers import CUSTOMERS, USERS, CustomerErased, CustomerState, UserErased
from tests.builders import PLANS, customer
from tests.integration.steps import (
    book_plan,
    in_state,
    invoice_requested,
    new_customer,
    no_failure,
    paid,
    stored,
)
from tests.system import System, eventually

OPEN = "SELECT open_minor FROM open_invoices WHERE invoice_id = $1"
COPIES = ("subscriptions", "billing", "notifier")


async def history(system: System, customer_id: str, last: str) -> list[Event]:
    """The events of a customer, once the last one is there."""

    async def look() -> list[Event] | None:
        found = [e for e in await system.events(CUSTOMERS) if str(e.customer_id) == customer_id]
        return found if found and last == found[-1].TYPE else None

    return await eventually(look, f"{last} of {customer_id}")


async def at_version(system: System, customer_id: str, version: int) -> None:
    async def look() -> bool | None:
        for service in COPIES:
            query = "SELECT version FROM customers WHERE id = $1"
            if await stored(system, service, query, customer_id) != [(version,)]:
                return None
        return True

    await eventually(look, f"version {version} of {customer_id} everywhere")


async def act(system: System, customer_id: str, *verbs: str) -> Any:
    for verb in verbs:
        answer = await system.post(f"/customers/{customer_id}/{verb}", expect=200)
    return answer


@pytest.mark.parametrize(
    ("verbs", "events", "field", "value"),
    [
        (("deactivate", "reactivate"), ("deactivated", "reactivated"), "status", "deactivated"),
        (("freeze", "unfreeze"), ("frozen", "unfrozen"), "frozen", True),
    ],
)
async def test_there_and_back_each_once_and_everywhere(
    system: System, verbs: tuple[str, str], events: tuple[str, str], field: str, value: Any
) -> None:
    verb, back = verbs
    made = await new_customer(system)
    there = await act(system, made["id"], verb, verb)
    assert there == {**made, "version": 2, field: value}
    await at_version(system, made["id"], 2)
    query = f"SELECT {field} FROM customers WHERE id = $1"  # noqa: S608 - a field
    assert await stored(system, "subscriptions", query, made["id"]) == [(value,)]
    for service in ("billing", "notifier"):
        query = f"SELECT state->'{field}' FROM customers WHERE id = $1"  # noqa: S608 - the same
        assert await stored(system, service, query, made["id"]) == [(json.dumps(value),)]
    again = await act(system, made["id"], back, back)
    assert again == {**made, "version": 3}
    told = await history(system, made["id"], f"customer.{events[1]}")
    assert [e.TYPE for e in told] == ["customer.created", *(f"customer.{e}" for e in events)]
    assert [e.sequence for e in told] == [1, 2, 3]
    assert all(isinstance(e, CustomerState) for e in told)


async def test_a_deactivated_customer_books_nothing_and_a_frozen_one_is_booked_by_operators(
    system: System,
) -> None:
    await system.seeded()
    made = await new_customer(system)
    await act(system, made["id"], "deactivate", "freeze")
    await at_version(system, made["id"], 3)
    body = {"action": "make_invoice", "plan_id": PLANS["Team"], "cycle": "monthly"}
    refusal = await system.post(f"/customers/{made['id']}/plan-actions", body, expect=409)
    assert "deactivated" in refusal["detail"]
    cards = await system.get(f"/customers/{made['id']}/plan-options")
    assert all(card["actions"] == [] for card in cards["items"])
    await act(system, made["id"], "reactivate")
    await at_version(system, made["id"], 4)
    await book_plan(system, made["id"], "Team")


async def test_an_edit_of_a_deactivated_customer_keeps_it_so(system: System) -> None:
    made = await system.post("/customers", customer())
    await act(system, made["id"], "deactivate")
    edited = (await system.api.patch(f"/customers/{made['id']}", json={"city": "Bern"})).json()
    assert (edited["city"], edited["status"], edited["version"]) == ("Bern", "deactivated", 3)


async def refused(system: System, customer_id: str, code: str) -> str:
    answer = await system.post(f"/customers/{customer_id}/erase", expect=409)
    assert answer["type"] == f"urn:kontor:problem:{code}"
    return str(answer["detail"])


async def test_who_has_something_booked_or_owes_something_is_not_erased(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    await refused(system, made["id"], "customer_active")
    await act(system, made["id"], "deactivate")

    await in_copy(system, OPEN, invoice["id"], invoice_minor(invoice))
    assert invoice["number"] in await refused(system, made["id"], "customer_owes")
    part = {"amount": "10.00", "currency": "CHF"}
    partly = await system.post(f"/invoices/{invoice['id']}/payments", {"amount": part})
    await in_copy(system, OPEN, invoice["id"], invoice_minor(partly["invoice"]))
    await paid(system, partly["invoice"])
    await in_state(system, booked["subscriptions"][0]["id"], "active")
    await in_copy(system, OPEN, invoice["id"], 0)
    await in_copy(
        system, "SELECT max_users FROM entitlements WHERE customer_id = $1", made["id"], 20
    )
    await refused(system, made["id"], "customer_subscribed")
    assert (await system.get(f"/customers/{made['id']}"))["status"] == "deactivated"


def invoice_minor(invoice: Any) -> int:
    return int(invoice["open_amount"]["amount"].replace(".", ""))


async def in_copy(system: System, query: str, key: str, value: Any) -> None:
    async def look() -> bool | None:
        return await stored(system, "customers", query, key) == [(value,)] or None

    await eventually(look, f"{query} to be {value}")


async def test_a_voided_invoice_is_owed_no_more(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    await in_copy(system, OPEN, invoice["id"], invoice_minor(invoice))
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    await in_copy(system, OPEN, invoice["id"], 0)
    await act(system, made["id"], "deactivate", "erase")


def keyed(key: str) -> dict[str, Any]:
    return {"idempotency-key": key}


CANARY = "Kanarienvogel"


async def canary(system: System, query: str) -> list[str]:
    """Tables of all services in which the canary still sings."""
    found = []
    for service in system.databases:
        tables = await stored(
            system, service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        for (table,) in tables:
            count = f"SELECT count(*) FROM {table} t WHERE {query}"  # noqa: S608 - a table's name
            if (await stored(system, service, count))[0][0]:
                found.append(f"{service}.{table}")
    return sorted(found)


async def test_erasing_leaves_nothing_personal_but_on_invoices(system: System) -> None:
    await system.seeded()
    fields = {
        name: f"{CANARY} {name}"
        for name in ("company_name", "contact_name", "city", "billing_name", "billing_note")
    }
    address = f"a@{CANARY.lower()}.example"
    body = customer(**fields, address_lines=[CANARY], email=address, billing_email=address)
    made = await system.post("/customers", body, **keyed("canary"))
    await system.known(made["id"])
    user = await system.post(
        f"/customers/{made['id']}/users",
        {"first_name": CANARY, "surname": CANARY, "email": f"u@{CANARY.lower()}.example"},
        **keyed("canary-user"),
    )
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])

    async def mailed() -> bool | None:
        sent = await system.get("/deliveries", customer_id=made["id"])
        return bool([d for d in sent["items"] if d["state"] == "sent"]) or None

    await eventually(mailed, "the mail")
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
    await in_copy(system, OPEN, invoice["id"], 0)
    await act(system, made["id"], "deactivate")
    answer = await act(system, made["id"], "erase")
    assert answer.keys() == {"id", "number", "erased_at"}
    assert (answer["id"], answer["number"]) == (made["id"], made["number"])

    events = await history(system, made["id"], "customer.erased")
    assert isinstance(events[-1], CustomerErased)
    assert events[-1].sequence == 3
    users = [e for e in await system.events(USERS) if e.key == user["id"]]
    assert [(e.TYPE, e.sequence) for e in users] == [("user.added", 1), ("user.erased", 2)]
    assert isinstance(users[-1], UserErased)
    await at_version(system, made["id"], 3)

    singing = f"t::text ILIKE '%{CANARY}%' OR encode(t::text::bytea, 'escape') ILIKE '%{CANARY}%'"

    async def silent() -> bool | None:
        found = await canary(system, singing)
        return found == ["billing.invoices"] or None  # the law wants them kept

    await eventually(silent, f"silence, but for {await canary(system, singing)}")
    hexed = CANARY.encode().hex()
    assert await canary(system, f"t::text LIKE '%{hexed}%'") == []
    gone = await system.get(f"/customers/{made['id']}", expect=410)
    assert gone.items() >= {"id": made["id"], "number": made["number"]}.items()
    await system.get(f"/users/{user['id']}", expect=404)
    found = await system.get("/customers", search=CANARY)
    assert (found["items"], found["total_estimate"]) == ([], 0)
    cards = await system.api.get(f"/customers/{made['id']}/plan-options")
    assert all(card["actions"] == [] for card in cards.json()["items"])


async def test_a_request_that_comes_after_the_erasure_is_rejected(system: System) -> None:
    await system.seeded()
    made = await new_customer(system)
    await act(system, made["id"], "deactivate", "erase")
    await at_version(system, made["id"], 3)
    request = invoice_requested(UUID(made["id"]))
    await system.send(request)

    async def rejected() -> bool | None:
        told = [e for e in await system.events(INVOICES) if isinstance(e, InvoiceRejected)]
        return request.request_id in {e.request_id for e in told} or None

    await eventually(rejected, "the rejection")
    await no_failure(system, "billing", made["id"])


async def test_an_older_state_does_not_bring_an_erased_customer_back(system: System) -> None:
    made = await new_customer(system)
    await act(system, made["id"], "deactivate", "erase")
    await at_version(system, made["id"], 3)
    (created, *_) = await history(system, made["id"], "customer.erased")
    await system.send(created)
    witness = await new_customer(system)

    async def handled() -> bool | None:
        rows = await stored(system, "billing", "SELECT count(*) FROM inbox")
        return rows[0][0] > 0 or None

    await eventually(handled)
    await system.known(witness["id"])
    await at_version(system, made["id"], 3)


async def test_the_number_of_an_erased_customer_is_not_given_again(system: System) -> None:
    made = await system.post("/customers", customer())
    await act(system, made["id"], "deactivate", "erase")
    assert (await system.post("/customers", customer()))["number"] != made["number"]
