"""A consumer dies after its database transaction is committed and before its offsets are."""

import asyncio
from collections import Counter

import pytest

from tests.faults import probe
from tests.faults.fleet import SECONDS, Fleet, meanwhile, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(15, int(2 * SECONDS))
_PLACES = ("consumer.before_ack", "batch.after_commit")
_CONSUMERS = ("customers", "subscriptions", "billing", "notifier", probe.PROBE)


async def test_what_is_delivered_again_after_a_death_has_no_second_effect(
    system: System, fleet: Fleet
) -> None:
    deaths: Counter[str] = Counter()
    chance = seeded("consumer killed")
    await probe.prepare(system)

    async def consumers(service: str) -> None:
        """One after the other, each dies with a batch that is committed but not acknowledged."""
        while True:
            place = f"{_PLACES[deaths[service] % 2]}@{chance.randint(1, 4)}"
            consumer = await fleet.start(service, ["worker"], failpoint=place)
            await consumer.ended.wait()
            assert consumer.failed
            deaths[service] += 1

    async with working(system, without=["worker"]), Journeys(system, chance) as journeys:
        await asyncio.gather(*(fleet.start(service, ["worker"]) for service in _CONSUMERS))
        customers = await journeys.customers(_CUSTOMERS)
        await fleet.stop()
        async with meanwhile(*(consumers(service) for service in _CONSUMERS)):
            await journeys.run(customers, seconds=SECONDS)
        await asyncio.gather(*(fleet.start(service, ["worker"]) for service in _CONSUMERS))
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)

    await probe.each_counted_once(system)
    assert deaths.keys() == set(_CONSUMERS), f"consumers that never died: {deaths}"
