"""Any worker is killed every few seconds under load, at any instant and at the worst ones."""

import asyncio
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from deploy.services import SERVICES
from tests.faults.fleet import SECONDS, Fleet, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import quiet
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(15, int(2 * SECONDS))
_LIVES_S = (2.0, 5.0)
# "": at any instant.
_PLACES = (
    "batch.before_commit",
    "relay.before_commit",
    "",
    "consumer.before_ack",
    "sender.before_result",
    "batch.after_commit",
    "",
)


async def test_workers_killed_under_load_lose_nothing_and_do_nothing_twice(
    system: System, fleet: Fleet
) -> None:
    deaths: Counter[str] = Counter()
    chance = seeded("workers killed")
    over = asyncio.Event()

    async def lives(service: str) -> None:
        """Die and come back until it is over, then stay."""
        while not over.is_set():
            place = _PLACES[deaths[service] % len(_PLACES)]
            armed = f"{place}@{chance.randint(1, 6)}" if place else ""
            process = await fleet.start(service, failpoint=armed)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.ended.wait(), chance.uniform(*_LIVES_S))
            await process.kill()
            deaths[service] += 1
        await fleet.start(service)

    async with Journeys(system, chance) as journeys:
        await asyncio.gather(*(fleet.start(service) for service in SERVICES))
        customers = await journeys.customers(_CUSTOMERS)
        await fleet.stop()
        async with asyncio.TaskGroup() as group:
            for service in SERVICES:
                group.create_task(lives(service))
            asyncio.get_running_loop().call_later(SECONDS, over.set)
            await journeys.run(customers, seconds=SECONDS)
    await verify(system, promised=journeys.promised, mails_may_repeat=True)
    assert all(deaths[service] for service in SERVICES), deaths


async def test_a_killed_renderer_is_replaced(system: System, fleet: Fleet) -> None:
    await fleet.stop()
    billing = await fleet.start("billing")
    others = working(system, [service for service in SERVICES if service != "billing"])
    async with others, Journeys(system, seeded("renderer killed")) as journeys:
        customer, *_ = await journeys.customers(1)
        await journeys.travel(customer, "plan", "paid")
        await quiet(system)  # with the invoice drawn there is a pool
        for child in psutil.Process(billing.pid).children():
            child.kill()
        await journeys.travel(customer, "module", "paid")

        async def drawn() -> bool | None:
            query = "SELECT 1 FROM documents WHERE state <> 'stored'"
            return not await system.rows("billing", query) or None

        await eventually(drawn, "the next document", limit_s=20)
        await verify(system, promised=journeys.promised, mails_may_repeat=True)


async def test_a_killed_worker_leaves_no_process_behind(system: System, fleet: Fleet) -> None:
    await fleet.stop()
    billing = await fleet.start("billing")
    others = working(system, [service for service in SERVICES if service != "billing"])
    async with others, Journeys(system, seeded("left behind")) as journeys:
        customer, *_ = await journeys.customers(1)
        await journeys.travel(customer, "plan", "paid")
        await quiet(system)
    await billing.kill()

    async def none_left() -> bool | None:
        return not fleet.strays() or None

    await eventually(none_left, "the pool to end", limit_s=10)
