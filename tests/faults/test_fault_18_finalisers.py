"""Fifty finalisers at once, with rollbacks, over midnight, and one killed holding the lock.

Of invoices, and of credit notes, which have numbers of their own.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.billing import repository
from services.billing.domain.numbering import Series
from services.billing.use_cases.credit_notes import CreditInvoice, credit_invoice
from services.billing.use_cases.openings import open_requested_invoices
from shared.clock import new_id, system_clock
from shared.database import Database, RolledBack, Tx
from shared.events.subscriptions import CreditRequested, InvoiceRequested, LineToCredit
from shared.money import Money
from tests.faults.fleet import SECONDS, Fleet, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_FINALISERS = 50
_CUSTOMERS = 40 + int(SECONDS)
_ROLLBACKS = 0.3


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that each has waited for the series; told at the end, with `-s`."""
    waits: list[float] = []
    take = repository.take_numbers

    async def timed(tx: Tx, series: Series, today: date, count: int) -> tuple[int, date]:
        started = time.perf_counter()
        taken = await take(tx, series, today, count)
        waits.append(time.perf_counter() - started)
        return taken

    monkeypatch.setattr(repository, "take_numbers", timed)
    return waits


def tell(what: str, waits: Sequence[float]) -> None:
    p50, p99 = statistics.median(waits), sorted(waits)[int(len(waits) * 0.99)]
    print(  # noqa: T201 - the figure in docs/performance.md
        f"{what}: {_FINALISERS} at once took numbers {len(waits)} times, "
        f"waited p50 {p50 * 1_000:.0f}, p99 {p99 * 1_000:.0f} ms"
    )


async def test_numbers_have_no_gap_and_follow_the_dates(
    system: System, fleet: Fleet, waited: list[float]
) -> None:
    chance = seeded("finalisers")
    billing = await fleet.start("billing")
    database = Database(system.databases["billing"], _FINALISERS)
    async with (
        working(system, ["customers", "notifier"]),
        working(system, ["subscriptions"], without=["relay"]),
        Journeys(system, chance) as journeys,
    ):
        # What is booked now stays in the outbox, for there is no relay yet.
        for customer in await journeys.customers(_CUSTOMERS):
            await journeys.book(customer, "plan")
            await journeys.book(customer, "module")
        requests = await _requested(system)
        assert len(requests) == 2 * _CUSTOMERS
        await billing.stop()

        # Four of five requests by hand, each twice; all of them also as messages, to a process
        # that dies with numbers in its hands and the others waiting for it.
        by_hand = requests[: len(requests) * 4 // 5]
        doomed = await fleet.start("billing", ["worker"], failpoint="batch.before_commit@1")
        async with asyncio.TaskGroup() as group:
            group.create_task(_finalise(database, by_hand, chance))
            relay = await fleet.start("subscriptions", ["relay"])
            await doomed.died()
        survivor = await fleet.start("billing")

        await verify(system, promised=journeys.promised)
        rows = await system.rows("billing", "SELECT DISTINCT invoice_date FROM invoices")
        assert len(rows) == 2, "all invoices have one date: the test has shown nothing"
        await relay.stop()
        await survivor.stop()
    await database.close()
    tell("invoices", waited)


async def test_credit_notes_have_no_gap_either(
    system: System, fleet: Fleet, waited: list[float]
) -> None:
    chance = seeded("crediters")
    billing = await fleet.start("billing")
    database = Database(system.databases["billing"], _FINALISERS)
    async with (
        working(system, ["customers", "subscriptions", "notifier"]),
        Journeys(system, chance) as journeys,
    ):
        invoices = []
        for customer in await journeys.customers(_CUSTOMERS // 2):
            booked = await journeys.book(customer, "plan")
            invoices.append(await journeys.invoice_of(booked))
        await billing.stop()

        # Three credit notes for each of two thirds by hand, and one for each of the others as a
        # message, to a process that dies with numbers in its hands and the others waiting for it.
        by_hand = invoices[: len(invoices) * 2 // 3]
        for invoice in invoices[len(by_hand) :]:
            await system.send(_asked(invoice))
        doomed = await fleet.start("billing", ["worker"], failpoint="batch.before_commit@1")
        async with asyncio.TaskGroup() as group:
            group.create_task(_credit(database, by_hand * 3, chance))
            await doomed.died()
        survivor = await fleet.start("billing")

        await verify(system, promised=journeys.promised)
        rows = await system.rows("billing", "SELECT count(*) FROM credit_notes")
        assert rows[0][0] == 3 * len(by_hand) + len(invoices) - len(by_hand)
        await survivor.stop()
    await database.close()
    tell("credit notes", waited)


def _asked(invoice: Any) -> CreditRequested:
    line = invoice["lines"][0]
    return CreditRequested(
        customer_id=UUID(invoice["customer_id"]),
        request_id=new_id(),
        invoice_id=UUID(invoice["id"]),
        subscription_id=UUID(line["subscription_id"]),
        lines=(LineToCredit(position=1, amount=Money(100, invoice["currency"])),),
    )


async def _credit(database: Database, invoices: Sequence[Any], chance: random.Random) -> None:
    waiting: asyncio.Queue[Any] = asyncio.Queue()
    for invoice in chance.sample(invoices, len(invoices)):
        waiting.put_nowait(invoice)

    async def crediter() -> None:
        while not waiting.empty():
            invoice = waiting.get_nowait()
            part = [(1, Money(100, invoice["currency"]))]
            command = CreditInvoice(UUID(invoice["id"]), part, "a part", "test")
            async with database.transaction() as tx:
                await credit_invoice(tx, command, now=system_clock(), new_id=new_id)
                await asyncio.sleep(chance.uniform(0, 0.02))
                if chance.random() < _ROLLBACKS:
                    waiting.put_nowait(invoice)
                    raise RolledBack

    async with asyncio.TaskGroup() as group:
        for _ in range(_FINALISERS):
            group.create_task(crediter())


async def _requested(system: System) -> list[InvoiceRequested]:
    rows = await system.rows(
        "subscriptions",
        "SELECT payload FROM outbox WHERE type = $1 ORDER BY id",
        InvoiceRequested.TYPE,
    )
    return [InvoiceRequested.model_validate_json(row["payload"]) for row in rows]


async def _finalise(
    database: Database, requests: Sequence[InvoiceRequested], chance: random.Random
) -> None:
    """Batches of one to four; each request is in two of them, and half of the time is yesterday."""
    today = system_clock()
    batches: list[tuple[datetime, list[InvoiceRequested]]] = []
    for _ in range(2):
        rest = chance.sample(requests, len(requests))
        while rest:
            # One of a customer at most, as in a wave.
            batch = {r.customer_id: r for r in (rest.pop() for _ in range(min(4, len(rest))))}
            late = chance.random() < len(batches) / len(requests)
            batches.append((today if late else today - timedelta(days=1), [*batch.values()]))
    waiting: asyncio.Queue[tuple[datetime, list[InvoiceRequested]]] = asyncio.Queue()
    for entry in batches:
        waiting.put_nowait(entry)

    async def finaliser() -> None:
        while not waiting.empty():
            now, batch = waiting.get_nowait()
            async with database.transaction() as tx:
                await open_requested_invoices(tx, batch, now=now, new_id=new_id)
                await asyncio.sleep(chance.uniform(0, 0.02))
                if chance.random() < _ROLLBACKS:
                    waiting.put_nowait((now, batch))
                    raise RolledBack

    # Numbers never go back in time: one of yesterday comes before all of today.
    now, first = batches[0]
    async with database.transaction() as tx:
        await open_requested_invoices(tx, first, now=now, new_id=new_id)
    async with asyncio.TaskGroup() as group:
        for _ in range(_FINALISERS):
            group.create_task(finaliser())
