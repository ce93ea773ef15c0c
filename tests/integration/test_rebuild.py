"""Copies are made anew from the topics, by one command per service."""

import asyncio
import os
import sys
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from shared.events.customers import CUSTOMERS
from shared.messaging.topics import create_topics
from tests.builders import customer
from tests.integration.steps import Sent, book_plan, customer_created, new_customer, stored
from tests.integration.test_users import entitle
from tests.system import System, eventually

COPIES = {
    "subscriptions": "SELECT id, version, is_company, country, currency, language, time_zone, "
    "vat_id, status, frozen FROM customers ORDER BY id",
    "billing": "SELECT id, version, state FROM customers ORDER BY id",
    "notifier": "SELECT id, version, state FROM customers ORDER BY id",
}


async def rebuild(system: System, service: str, **different: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        "rebuild",
        env={**os.environ, **system.environment, **different},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def copies(system: System) -> dict[str, list[Any]]:
    return {service: await stored(system, service, query) for service, query in COPIES.items()}


@pytest.fixture(scope="module")
async def world(system: System) -> dict[str, list[Any]]:
    """Customers in every condition, one of them with a booking, and the copies of them."""
    await system.seeded()
    plain, off, frozen, gone, busy = [await new_customer(system) for _ in range(5)]
    await system.api.patch(f"/customers/{plain['id']}", json={"city": "Bern"})
    for made, *verbs in (
        (off, "deactivate"),
        (frozen, "freeze"),
        (gone, "deactivate", "erase"),
    ):
        for verb in verbs:
            await system.post(f"/customers/{made['id']}/{verb}", expect=200)
    booked = await book_plan(system, busy["id"], "Team")
    await system.invoice_of(booked["request_id"])
    owner = await stored(
        system,
        "customers",
        "SELECT id, version FROM customers UNION SELECT id, version FROM erased_customers",
    )

    async def settled() -> dict[str, list[Any]] | None:
        found = await copies(system)
        same = all({row[:2] for row in rows} == set(owner) for rows in found.values())
        return found if same else None

    return await eventually(settled, "all copies")


async def test_lost_and_damaged_copies_come_back(
    system: System, world: dict[str, list[Any]]
) -> None:
    for service in COPIES:
        await damage(system, service)
    assert await copies(system) != world
    for service in COPIES:
        await rebuild(system, service)
    assert await copies(system) == world


async def damage(system: System, service: str) -> None:
    """Lose all but one row, and make that one wrong; what refers to the lost ones stays."""
    await system.rows(
        service,
        "DO $$ BEGIN SET LOCAL session_replication_role = replica; "
        "DELETE FROM customers WHERE id > (SELECT id FROM customers ORDER BY id LIMIT 1); END $$",
    )
    wrong = "country = 'XX'" if service == "subscriptions" else 'state = \'{"status": "lost"}\''
    await system.rows(service, f"UPDATE customers SET {wrong}")  # noqa: S608 - from here


async def test_rebuilding_twice_and_beside_a_worker_changes_nothing(
    system: System, world: dict[str, list[Any]]
) -> None:
    for _ in range(2):
        await asyncio.gather(*(rebuild(system, service) for service in COPIES))
    assert await copies(system) == world


async def test_the_sellers_settings_come_back_too(
    system: System, world: dict[str, list[Any]]
) -> None:
    query = "SELECT name, version, data FROM seller_settings"
    before = {service: await stored(system, service, query) for service in COPIES}
    for service in ("subscriptions", "notifier"):
        await system.rows(service, "DELETE FROM seller_settings")
        await rebuild(system, service)
    assert {service: await stored(system, service, query) for service in COPIES} == before


async def test_what_cannot_be_read_is_passed_over(
    system: System, world: dict[str, list[Any]]
) -> None:
    poison = Sent("nobody", b"{", {"ce_type": "customer.created", "ce_specversion": "1.0"})
    await system.send_raw(CUSTOMERS, poison.key, poison.value, poison.headers)
    await system.send_raw(CUSTOMERS, "nobody", None, {})
    await rebuild(system, "billing")
    assert (await copies(system))["billing"] == world["billing"]


async def test_only_what_was_committed_is_applied(
    system: System, world: dict[str, list[Any]]
) -> None:
    """And markers of transactions at the end of a topic do not keep it waiting."""
    committed, aborted = [customer_created(city=city) for city in ("Bern", "Nowhere")]
    prefix = f"{system.prefix}other."  # no worker reads there
    bootstrap = system.servers.kafka_bootstrap
    await create_topics(
        bootstrap, prefix, "billing", [CUSTOMERS], partitions=1, replication_factor=1
    )
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=prefix) as producer:
        for event in (committed, aborted):
            record = Sent.of(event)
            await producer.begin_transaction()
            await producer.send_and_wait(
                f"{prefix}{CUSTOMERS.name}",
                record.value,
                key=record.key.encode(),
                headers=[(name, text.encode()) for name, text in record.headers.items()],
            )
            if event is committed:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
    await rebuild(system, "billing", KONTOR_TOPIC_PREFIX=prefix)
    query = "SELECT state->>'city' FROM customers WHERE id = ANY($1)"
    ids = [committed.customer_id, aborted.customer_id]
    assert await stored(system, "billing", query, ids) == [("Bern",)]
    await system.rows("billing", "DELETE FROM customer_search WHERE customer_id = ANY($1)", ids)
    await system.rows("billing", "DELETE FROM customers WHERE id = ANY($1)", ids)


async def test_customers_rebuilds_its_seat_limits(system: System) -> None:
    made = await system.post("/customers", customer())
    await entitle(system, made["id"], 3)
    await entitle(system, made["id"], 5, version=2)
    query = "SELECT version, max_users FROM entitlements WHERE customer_id = $1"
    await system.rows("customers", "DELETE FROM entitlements")
    await rebuild(system, "customers")
    assert await stored(system, "customers", query, made["id"]) == [(2, 5)]
