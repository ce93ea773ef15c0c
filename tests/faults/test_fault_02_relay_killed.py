"""The relay dies after the broker has taken its messages and before they leave the outbox."""

import asyncio
from collections import Counter

import pytest

from deploy.services import SERVICES
from shared.events.billing import INVOICES
from shared.events.subscriptions import ENTITLEMENTS, SUBSCRIPTIONS
from tests.faults.facts import told
from tests.faults.fleet import SECONDS, Fleet, meanwhile, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(15, int(2 * SECONDS))


async def test_what_a_dying_relay_sends_again_has_no_second_effect(
    system: System, fleet: Fleet
) -> None:
    deaths: Counter[str] = Counter()
    chance = seeded("relay killed")
    publishing = ("subscriptions", "billing", "notifier")

    async def relays(service: str) -> None:
        """One after the other, each dies with a batch that it has sent but not deleted."""
        while True:
            place = f"relay.before_commit@{chance.randint(1, 4)}"
            relay = await fleet.start(service, ["relay"], failpoint=place)
            await relay.ended.wait()
            assert relay.failed
            deaths[service] += 1

    async with working(system, without=["relay"]), Journeys(system, chance) as journeys:
        await asyncio.gather(*(fleet.start(service, ["relay"]) for service in SERVICES))
        customers = await journeys.customers(_CUSTOMERS)
        await fleet.stop()
        async with meanwhile(*(relays(service) for service in publishing)):
            await journeys.run(customers, seconds=SECONDS)
        # A second one beside the last of those: one of them has each shard, the other waits.
        await asyncio.gather(*(fleet.start(service, ["relay"]) for service in SERVICES))
        await verify(system, promised=journeys.promised)

    assert deaths.keys() == set(publishing), f"relays that never died: {deaths}"
    again = [
        one
        for topic in (INVOICES, SUBSCRIPTIONS, ENTITLEMENTS)
        for one in await told(system, topic)
        if one.times > 1
    ]
    assert again, "no message was sent twice: the test has shown nothing"
