"""One record of a batch with several partitions fails for a while: it and its mates are done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.events.subscriptions import INVOICE_REQUESTS
from shared.messaging.topics import group_of
from shared.running import run_worker
from tests.faults import probe
from tests.faults.fleet import SECONDS, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.trouble import Kind, Trouble
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(12, int(1.5 * SECONDS))

_GROUP = group_of("billing", INVOICE_REQUESTS)


@pytest.fixture(scope="module", autouse=True)
async def prepared(system: System) -> None:
    await probe.prepare(system)


@pytest.mark.parametrize("kind", ["transient", "of its own"])
async def test_a_failure_that_passes_costs_nothing_but_time(system: System, kind: Kind) -> None:
    trouble = Trouble(kind)
    async with _in_trouble(system, trouble):
        several = [strike for strike in trouble.strikes if len(strike.partitions) > 1]
        assert several, "no batch had several partitions: the test has shown nothing"
        tried = [strike.tried for strike in trouble.strikes if strike.group == _GROUP]
        if kind == "transient":
            assert len({*tried}) == 1, f"taken apart for a failure of the database: {tried}"
        else:
            assert 1 in tried, f"the culprit never stood alone: {tried}"
        assert not trouble.given_back


async def test_a_batch_that_goes_back_comes_again_from_all_its_partitions(system: System) -> None:
    trouble = Trouble("transient", transient_limit_s=0.12)
    async with _in_trouble(system, trouble):
        assert any(len(strike.partitions) > 1 for strike in trouble.strikes)
        assert trouble.given_back[_GROUP], "no batch went back: the test has shown nothing"


@asynccontextmanager
async def _in_trouble(system: System, trouble: Trouble) -> AsyncIterator[None]:
    """Requests wait in Kafka until billing works, which has trouble with one of them.

    The block is entered when all of them are done with; then they are paid, with as much trouble
    for everybody else.
    """
    async with Journeys(system, seeded("transient")) as journeys:
        async with working(system):
            customers = await journeys.customers(_CUSTOMERS)
        async with working(system, without=["worker"]):
            booked = [await journeys.book(customer, "plan") for customer in customers]
            booked += [await journeys.book(customer, "module") for customer in customers]
            await eventually(lambda: _sent(system), "the requests to be sent")
        requests = [booking["request_id"] for booking in booked]
        query = "SELECT customer_id FROM offers WHERE request_id = $1"
        rows = await system.rows("subscriptions", query, requests[len(requests) // 4])
        trouble.customer_id = rows[0]["customer_id"]
        before = await _claimed(system)
        async with working(system, changed=trouble.strike), _probing(system, trouble):

            async def done() -> bool | None:
                return await _claimed(system) >= before + len(requests) or None

            await eventually(done, "the requests to be done with")
            dead = await system.rows("billing", "SELECT reason FROM dead_letters")
            assert not dead, f"{_GROUP}: {len(dead)} dead letters: {dead[:3]}"
            yield
            async with asyncio.TaskGroup() as group:
                for booking in booked:
                    group.create_task(journeys.settle(booking, "paid"))
            await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
    await probe.each_counted_once(system)


async def _claimed(system: System) -> int:
    query = "SELECT count(*) FROM inbox WHERE consumer = $1"
    return int((await system.rows("billing", query, _GROUP))[0][0])


async def _sent(system: System) -> bool | None:
    return not await system.rows("subscriptions", "SELECT 1 FROM outbox LIMIT 1") or None


@asynccontextmanager
async def _probing(system: System, trouble: Trouble) -> AsyncIterator[None]:
    """The probe, in this process and with the same trouble."""
    stop = asyncio.Event()
    worker = probe.SERVICE.build_worker(probe.ProbeSettings.load(system.environment))
    trouble.strike(worker)
    task = asyncio.create_task(run_worker(worker, ["worker"], stop))
    try:
        yield
    finally:
        stop.set()
        await task
