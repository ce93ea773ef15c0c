"""Every event arrives one to five times, in any order across keys, and in order within a key."""

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from deploy.services import SERVICES
from shared.events import topics
from tests.faults import probe
from tests.faults.courier import Courier, Letter
from tests.faults.facts import told
from tests.faults.fleet import SECONDS, Fleet, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(15, int(2 * SECONDS))
_TIMES_MAX = 5


def shuffled(letters: Sequence[Letter], chance: random.Random) -> list[Letter]:
    """All of them one to five times; order stays within (topic, key), and is lost across.

    Copies follow at once, as when a producer tries again, or with all that came after, as when a
    relay does.
    """
    by_key: dict[tuple[str, str], list[Letter]] = defaultdict(list)
    for letter in letters:
        by_key[letter.topic, letter.key].append(letter)
    runs = []
    for run in by_key.values():
        times = chance.randint(1, _TIMES_MAX)
        if chance.random() < 0.5:
            runs.append([letter for letter in run for _ in range(times)])
        else:
            runs.append(run * times)
    turns = [position for position, run in enumerate(runs) for _ in run]
    chance.shuffle(turns)
    following = [iter(run) for run in runs]
    return [next(following[turn]) for turn in turns]


async def test_events_delivered_one_to_five_times_count_once(system: System, fleet: Fleet) -> None:
    chance = seeded("delivered many times")
    await probe.prepare(system)
    courier = Courier(system, lambda letters: shuffled(letters, chance), every_s=0.2)
    await fleet.start(probe.PROBE, ["worker"])
    async with (
        courier,
        working(system, without=["relay"]),
        Journeys(system, chance) as journeys,
    ):
        await journeys.run(await journeys.customers(_CUSTOMERS), seconds=SECONDS)
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
        await probe.each_counted_once(system)

        # And once more all that was ever said, long after it was done.
        for service in SERVICES:
            await courier.send(shuffled(await _recorded(system, service), chance))
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
        await probe.each_counted_once(system)


async def _recorded(system: System, owner: str) -> list[Letter]:
    """What a service has published, each event once."""
    letters = []
    for topic in topics():
        if topic.owner == owner:
            once = {one.event_id for one in await told(system, topic)}
            for record in await system.read_topic(topic.name):
                headers = {name: value.decode() for name, value in record.headers}
                if headers["ce_id"] in once:
                    once.remove(headers["ce_id"])
                    letters.append(Letter(topic.name, record.key.decode(), record.value, headers))
    return letters
