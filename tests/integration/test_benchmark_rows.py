"""The rows that benchmarks put into databases are ones that the schema takes."""

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg

from tests.benchmarks.floors import activate, pay
from tests.benchmarks.stored import fill_bookings, fill_invoices


async def test_the_floors_find_the_rows_they_need(databases: dict[str, str]) -> None:
    waiting = await fill_bookings(databases["subscriptions"], 2, stored=2)
    invoices = await fill_invoices(databases["billing"], waiting)
    billing = await asyncpg.connect(databases["billing"])
    subscriptions = await asyncpg.connect(databases["subscriptions"])
    try:
        await pay.settle(billing, invoices[waiting[0][0]])
        paid: Any = await billing.fetchrow("SELECT payload FROM outbox")
        body = paid["payload"]
        record: Any = SimpleNamespace(value=body, headers=[("ce_id", str(uuid4()).encode())])
        await activate.handle(subscriptions, [record])

        states = await subscriptions.fetch("SELECT id FROM subscriptions WHERE state = 'active'")
        assert json.loads(body)["lines"][0]["subscription_id"] in {str(row["id"]) for row in states}
        assert len(states) == 3
    finally:
        await billing.close()
        await subscriptions.close()
