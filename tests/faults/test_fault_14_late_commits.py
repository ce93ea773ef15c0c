"""Sixteen writers commit in another order than they drew their ids, while the relay runs."""

import asyncio

import pytest

from tests.faults.fleet import SECONDS, Fleet, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.writers import Writers
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = 40


async def test_no_event_is_lost_or_overtaken_when_ids_commit_out_of_order(
    system: System, fleet: Fleet
) -> None:
    chance = seeded("late commits")
    await fleet.start("customers", ["relay"])
    others = working(system, ["subscriptions", "billing", "notifier"])
    async with others, Journeys(system, chance) as journeys:
        async with Writers(system, chance, await journeys.customers(_CUSTOMERS)) as writers:
            await asyncio.sleep(SECONDS)
        await verify(system, promised=journeys.promised)
        await writers.all_told_in_order(once=True)
