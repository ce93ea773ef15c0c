"""The broker goes and comes back under load, in order and by kill -9, on its port and data."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from deploy.local.kafka import KafkaServer
from deploy.services import SERVICES
from shared.messaging.lost_connections import notice_lost_connections
from shared.service import fast_runner
from tests.faults import probe
from tests.faults.fleet import SECONDS, Fleet, seeded
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.servers import TestServers
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 6 * SECONDS)

_RESTARTS = max(2, int(SECONDS / 4))
# Enough for a restart to take 15 s, on a busy machine.
_EVERY_S = 0.25
_CUSTOMERS = int(_RESTARTS * 15 / _EVERY_S / 2)
_BOOKINGS_MEANWHILE = 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of this module's own: the other tests need theirs."""
    with KafkaServer(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def servers(servers: TestServers, broker: KafkaServer) -> TestServers:
    return replace(servers, kafka_bootstrap=broker.bootstrap)


async def test_a_broker_that_ends_and_is_killed_under_load_loses_and_doubles_nothing(
    system: System, fleet: Fleet, broker: KafkaServer
) -> None:
    chance = seeded("broker restarted")
    over = asyncio.Event()
    await probe.prepare(system)
    workers = [await fleet.start(name) for name in (*SERVICES, probe.PROBE)]
    async with Journeys(system, chance) as journeys:
        customers = await journeys.customers(_CUSTOMERS)
        async with asyncio.TaskGroup() as group:
            group.create_task(_load(journeys, customers, over))
            await _restarts(broker, journeys, chance)
            over.set()
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
    await probe.each_counted_once(system)
    ended = [worker.name for worker in workers if worker.ended.is_set()]
    assert not ended, f"did not outlive the broker: {ended}"


def test_writing_to_a_connection_that_was_just_lost_is_an_error_of_kafka(
    broker: KafkaServer,
) -> None:
    """The fast event loop says something else than asyncio's, in the moment before it is told."""
    notice_lost_connections()

    async def scenario() -> None:
        async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
            await consumer.topics()
            connection = next(iter(consumer._client._conns.values()))
            connection._writer.transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(KafkaConnectionError):
                await connection.send(MetadataRequest([]))

    with fast_runner() as runner:
        runner.run(scenario())


async def _load(journeys: Journeys, customers: list[str], over: asyncio.Event) -> None:
    """Journeys at an even pace until it is over; all of them may wait for the broker at once."""
    async with asyncio.TaskGroup() as group:
        for customer, kind in product(customers, ("plan", "module")):
            if not over.is_set():
                group.create_task(journeys.travel(customer, kind))
                await asyncio.sleep(_EVERY_S)


async def _restarts(broker: KafkaServer, journeys: Journeys, chance: random.Random) -> None:
    """Stop and kill it in turn; each time some bookings are answered before it is back."""
    for turn in range(_RESTARTS):
        await _bookings(journeys, chance.randint(1, _BOOKINGS_MEANWHILE))
        await asyncio.to_thread(broker.kill if turn % 2 else broker.stop)
        await _bookings(journeys, _BOOKINGS_MEANWHILE)
        await asyncio.to_thread(broker.start)


async def _bookings(journeys: Journeys, count: int) -> None:
    before = len(journeys.promised)

    async def made() -> bool | None:
        return len(journeys.promised) >= before + count or None

    await eventually(made, "bookings meanwhile", limit_s=20)
