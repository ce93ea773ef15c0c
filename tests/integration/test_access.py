"""Whose data a caller sees, how often they may call, and what is written down about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.services import SERVICES
from shared.migrations import upgrade
from tests.builders import PLANS
from tests.integration.steps import book_plan, new_customer, stored
from tests.servers import SERVICES as DATABASES
from tests.servers import TestServers
from tests.system import System
from tests.tokens import issuer

# -- object level ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Two:
    """Two customers with an open invoice each, and a client restricted to the first one."""

    client: httpx.AsyncClient
    own: dict[str, Any]
    other: dict[str, Any]


@pytest.fixture(scope="module")
async def two(system: System) -> Two:
    await system.seeded()
    worlds = []
    for _ in range(2):
        customer = await new_customer(system)
        booked = await book_plan(system, customer["id"], "Team")
        invoice = await system.invoice_of(booked["request_id"])
        subscription = booked["subscriptions"][0]["id"]
        worlds.append(
            {"customer": customer["id"], "invoice": invoice, "subscription": subscription}
        )
    client = await system.client(subject="client:one", customer_ids=[worlds[0]["customer"]])
    return Two(client, *worlds)


def paths_of(world: dict[str, Any]) -> list[tuple[str, str, Any]]:
    invoice, customer = world["invoice"], world["customer"]
    part = {"amount": {"amount": "0.01", "currency": invoice["currency"]}}
    action = {"action": "make_invoice", "plan_id": str(uuid4()), "cycle": "monthly"}
    return [
        ("GET", f"/invoices/{invoice['id']}", None),
        ("GET", f"/invoices/{invoice['id']}/payments", None),
        ("GET", f"/invoices/{invoice['id']}/pdf", None),
        ("POST", f"/invoices/{invoice['id']}/payments", part),
        ("POST", f"/invoices/{invoice['id']}/void", None),
        ("GET", f"/subscriptions/{world['subscription']}", None),
        ("GET", f"/customers/{customer}/entitlements", None),
        ("GET", f"/customers/{customer}/plan-options", None),
        ("POST", f"/customers/{customer}/plan-actions", action),
        ("GET", f"/customers/{customer}", None),
        ("PATCH", f"/customers/{customer}", {"city": "Bern"}),
        ("POST", f"/invoices/{invoice['id']}/send", None),
        ("GET", f"/invoices/{invoice['id']}/cancellation-note/pdf", None),
    ]


async def test_another_customers_things_do_not_exist(system: System, two: Two) -> None:
    """And they answer exactly as things that never existed do."""
    for method, path, body in paths_of(two.other):
        answer = await two.client.request(method, path, json=body)

        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
    invoice = two.other["invoice"]["id"]
    assert (await system.get(f"/invoices/{invoice}"))["state"] == "open"
    assert (await system.get(f"/invoices/{invoice}/payments"))["items"] == []
    refused = (await two.client.get(f"/invoices/{invoice}")).json()
    unknown = (await two.client.get(f"/invoices/{(never := uuid4())}")).json()
    assert refused == {**unknown, "detail": unknown["detail"].replace(str(never), invoice)}


async def test_ones_own_things_are_there(two: Two) -> None:
    for method, path, body in paths_of(two.own)[:3] + paths_of(two.own)[5:8]:
        answer = await two.client.request(method, path, json=body)
        assert answer.status_code in {200, 409}, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize("path", ["/invoices", "/subscriptions", "/deliveries"])
async def test_a_list_holds_only_what_is_ones_own(system: System, two: Two, path: str) -> None:
    def customers(page: Any) -> set[str]:
        return {item["customer_id"] for item in page["items"]}

    own, other = two.own["customer"], two.other["customer"]
    mine = (await two.client.get(path)).json()
    theirs = (await two.client.get(path, params={"customer_id": other})).json()

    assert customers(mine) <= {own}
    assert path == "/deliveries" or customers(mine) == {own}
    assert theirs["items"] == []


# -- how often -------------------------------------------------------------------------------------


@asynccontextmanager
async def limited(system: System, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    environment = system.environment | settings
    api = SERVICES["billing"].build_api(SERVICES["billing"].settings.load(environment))
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kontor/v1") as client:
        yield client
    await api.state.database.close()


async def test_who_calls_too_often_waits_and_others_do_not(system: System) -> None:
    async with limited(system, KONTOR_RATE_LIMIT="3/hour") as client:
        eager, calm = (issuer().headers(subject=f"client:{name}") for name in ("eager", "calm"))
        seen = [(await client.get("/invoices", headers=eager)) for _ in range(5)]

        assert [answer.status_code for answer in seen] == [200, 200, 200, 429, 429]
        assert seen[-1].json()["type"] == "urn:kontor:problem:too_many_requests"
        assert int(seen[-1].headers["retry-after"]) == 3600
        assert (await client.get("/invoices", headers=calm)).status_code == 200


async def test_a_flood_of_bad_tokens_is_cut_off_and_good_ones_go_on(system: System) -> None:
    async with limited(system, KONTOR_ANONYMOUS_RATE_LIMIT="3/hour") as client:
        bad = [
            (await client.get("/invoices", headers={"authorization": f"Bearer {n}"})).status_code
            for n in range(5)
        ]

        assert bad == [401, 401, 401, 429, 429]
        assert (await client.get("/invoices", headers=issuer().headers())).status_code == 200


# -- the audit log ---------------------------------------------------------------------------------


async def acts(system: System, service: str, **which: Any) -> Any:
    return (await system.get(f"/{service}/audit", **which))["items"]


async def test_a_payment_is_written_down_with_who_and_what_and_its_request(
    system: System, two: Two
) -> None:
    invoice = two.own["invoice"]["id"]
    part = {"amount": {"amount": "1.00", "currency": two.own["invoice"]["currency"]}}
    key = {"idempotency-key": str(uuid4()), "x-request-id": "audit-1"}
    for _ in range(3):
        await two.client.post(f"/invoices/{invoice}/payments", json=part, headers=key)
    (act,) = await acts(system, "billing", target_id=invoice)

    assert (act["actor"], act["action"], act["target"]) == ("client:one", "invoice.pay", "invoice")
    assert (act["customer_id"], act["request_id"]) == (two.own["customer"], "audit-1")
    assert (act["before"]["paid"], act["after"]["paid"]) == ("0.00", "1.00")
    assert await acts(system, "billing", customer_id=two.own["customer"]) == [act]


async def test_what_is_refused_or_only_tried_is_not_written_down(system: System, two: Two) -> None:
    before = await stored(system, "billing", "SELECT count(*) FROM audit")
    nothing = {"amount": {"amount": "0.00", "currency": two.other["invoice"]["currency"]}}
    path = f"/invoices/{two.other['invoice']['id']}/payments"
    await system.post(path, nothing, expect=422)
    chosen = {"kind": "dead", "ids": [1], "dry_run": True}
    await system.post("/billing/failures/discard", chosen, expect=200)

    assert await stored(system, "billing", "SELECT count(*) FROM audit") == before


async def test_bookings_and_settings_are_written_down(system: System, two: Two) -> None:
    (booked,) = await acts(system, "subscriptions", customer_id=two.own["customer"])
    saved = await acts(system, "billing", target_id="seller")
    (plan,) = await acts(system, "subscriptions", target_id=PLANS["Team"])

    assert (booked["action"], booked["actor"]) == ("subscription.make_invoice", "operator:test")
    assert booked["after"]["state"] == "pending"
    assert (saved[0]["action"], saved[0]["before"]) == ("settings.save", None)
    assert (plan["action"], plan["before"]) == ("catalogue.create", None)
    assert plan["after"]["new_prices"][0]["unit_price"] == "49.00"


async def test_secrets_never_are(system: System) -> None:
    client = await system.post("/clients", {"name": "Shop", "scopes": ["users:read"]})
    rows = await stored(system, "identity", "SELECT a::text FROM audit a")

    assert rows
    assert not any(client["client_secret"] in row[0] for row in rows)


@pytest.mark.parametrize("service", DATABASES)
async def test_the_log_cannot_be_changed_by_anybody(system: System, service: str) -> None:
    connection = await asyncpg.connect(system.databases[service])
    try:
        for statement in (
            "UPDATE audit SET actor = 'nobody'",
            "DELETE FROM audit",
            "TRUNCATE audit",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_role_of_a_service_has_no_right_to(servers: TestServers) -> None:
    """Before the trigger even looks: as in an installation, the role itself migrates."""
    name = f"role_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = servers.database(name).replace(
        servers.postgres_url.partition("//")[2].partition("@")[0], f"{name}:x"
    )
    try:
        await asyncio.to_thread(upgrade, "identity", url)
        connection = await asyncpg.connect(url)
        may = {
            right: await connection.fetchval("SELECT has_table_privilege('audit', $1)", right)
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
        }
        await connection.close()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()

    assert may == {
        "SELECT": True,
        "INSERT": True,
        "UPDATE": False,
        "DELETE": False,
        "TRUNCATE": False,
    }
