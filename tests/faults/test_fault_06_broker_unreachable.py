"""The broker does not answer for a while; nobody who books or pays notices."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from deploy.local.kafka import KafkaServer
from deploy.services import SERVICES
from tests.faults import probe
from tests.faults.fleet import SECONDS, Fleet, seeded
from tests.faults.journeys import Ending, Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import quiet
from tests.servers import TestServers
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 6 * SECONDS)

# Longer than a producer waits for an acknowledgement (15 s); a minute with KONTOR_FAULT_SECONDS=30.
_AWAY_S = max(17.0, 2 * SECONDS)
_ANSWERED_WITHIN_S = 5.0
_CUSTOMERS = max(12, int(2 * SECONDS))
_ENDINGS: tuple[Ending, ...] = ("paid", "paid in parts", "void", "partly paid")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of this module's own: the other tests need theirs."""
    with KafkaServer(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def servers(servers: TestServers, broker: KafkaServer) -> TestServers:
    return replace(servers, kafka_bootstrap=broker.bootstrap)


async def test_the_api_takes_bookings_and_payments_while_the_broker_does_not_answer(
    system: System, fleet: Fleet, broker: KafkaServer
) -> None:
    await probe.prepare(system)
    workers = [await fleet.start(name) for name in (*SERVICES, probe.PROBE)]
    async with Journeys(system, seeded("broker unreachable")) as journeys:
        customers = await journeys.customers(_CUSTOMERS)
        booked = [await journeys.book(customer, "plan") for customer in customers]
        for booking in booked:
            await journeys.invoice_of(booking)
        await quiet(system, more_groups=probe.GROUPS)

        async with _frozen(broker):
            frozen_at, slowest_s = time.monotonic(), 0.0
            for position, (customer, booking) in enumerate(zip(customers, booked, strict=True)):
                due = frozen_at + _AWAY_S * position / len(customers)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                started = time.monotonic()
                # Each call in here asserts that it is answered with 2xx.
                await journeys.settle(booking, _ENDINGS[position % len(_ENDINGS)])
                await journeys.book(customer, "module")
                slowest_s = max(slowest_s, time.monotonic() - started)
            await asyncio.sleep(max(0.0, frozen_at + _AWAY_S - time.monotonic()))
            waiting = await system.rows("billing", "SELECT 1 FROM outbox")
        assert waiting, "the broker was not away: the test has shown nothing"
        assert slowest_s < _ANSWERED_WITHIN_S, f"a booking and a payment took {slowest_s:.1f} s"

        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
    await probe.each_counted_once(system)
    ended = [worker.name for worker in workers if worker.ended.is_set()]
    assert not ended, f"did not outlive the broker's absence: {ended}"


@asynccontextmanager
async def _frozen(broker: KafkaServer) -> AsyncIterator[None]:
    """Connections stay open, and new ones are made, but nothing is ever answered.

    That is worse than a refusal, which a client would notice at once.
    """
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)
