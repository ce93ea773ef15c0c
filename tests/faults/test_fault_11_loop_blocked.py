"""A worker's event loop stands still past its session: others take over, and then it wakes up."""

import asyncio
import random
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest

from tests.faults import probe
from tests.faults.fleet import SECONDS, Fleet, WorkerProcess, seeded, working
from tests.faults.groups import Groups
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import consumed
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 6 * SECONDS)

_CUSTOMERS = max(20, int(2.5 * SECONDS))
# With claims and locks in its hands; with an effect that nobody has acknowledged; in between.
_PLACES = ("batch.before_commit", "consumer.before_ack", "batch.after_commit")
_CONSUMERS = ("subscriptions", "billing", "notifier", "customers", probe.PROBE)


@pytest.fixture(scope="module")
async def fleet(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    folder = tmp_path_factory.mktemp("processes")
    async with Fleet(system, folder, nursery="tests.faults.drowsy_nursery") as running:
        yield running


async def test_a_worker_that_sleeps_past_its_session_loses_and_doubles_nothing(
    system: System, fleet: Fleet
) -> None:
    chance = seeded("loop blocked")
    over = asyncio.Event()
    await probe.prepare(system)
    async with (
        Groups(system) as groups,
        working(system, without=["worker"]),
        Journeys(system, chance) as journeys,
    ):
        naps = _Naps(fleet, groups, await _groups(system), chance, over)
        await asyncio.gather(*(fleet.start(service, ["worker"]) for service in _CONSUMERS))
        customers = await journeys.customers(_CUSTOMERS)
        async with asyncio.TaskGroup() as group:
            for turn, service in enumerate(_CONSUMERS):
                group.create_task(naps.take(service, turn))
            await journeys.run(customers, seconds=SECONDS)
            over.set()
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
    await probe.each_counted_once(system)
    assert {service for service, _ in naps.taken} == set(_CONSUMERS), naps.taken
    assert {place for _, place in naps.taken} == set(_PLACES), naps.taken


async def _groups(system: System) -> dict[str, list[str]]:
    """The consumer groups of each service, without prefix."""
    found = defaultdict(list)
    for service, _, group in await consumed(system):
        found[service].append(group)
    found[probe.PROBE] += [group for _, group in probe.GROUPS]
    return found


class _Naps:
    """Beside a worker that stays awake, others fall asleep over a batch, one after the other.

    Attributes:
        taken: how many of each service at each place have slept past their session.
    """

    def __init__(
        self,
        fleet: Fleet,
        groups: Groups,
        names: dict[str, list[str]],
        chance: random.Random,
        over: asyncio.Event,
    ) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()
        self._fleet = fleet
        self._groups = groups
        self._names = names
        self._chance = chance
        self._over = over

    async def take(self, service: str, turn: int) -> None:
        """Until it is over; `turn` is where among the places to begin."""
        while not self._over.is_set():
            place = _PLACES[turn % len(_PLACES)]
            armed = f"{place}@{self._chance.randint(1, 2)}"
            # It may fall asleep before it has said that it works.
            worker = await self._fleet.start(service, ["worker"], failpoint=armed, ready=b"")
            await worker.born.wait()
            try:
                if await self._asleep(worker):
                    await self._members(service, 1)
                    self.taken[service, place] += 1
                    turn += 1
                    _wake(worker)
                    await self._members(service, 2)
            finally:
                await _end(worker)

    async def _asleep(self, worker: WorkerProcess) -> bool:
        """Wait until it sleeps; False when it is over before."""

        async def look() -> bool | None:
            if psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED:
                return True
            return False if self._over.is_set() else None

        return await eventually(look, f"{worker.name} to fall asleep", limit_s=60 + SECONDS)

    async def _members(self, service: str, count: int) -> None:
        """Wait until the partitions of each group are spread over so many workers."""
        names = self._names[service]

        async def look() -> bool | None:
            found = (await self._groups.members(names)).values()
            return all(len(one) == count and all(one.values()) for one in found) or None

        await eventually(look, f"{count} workers in the groups of {service}")


def _wake(worker: WorkerProcess) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(worker.pid).send_signal(signal.SIGCONT)


async def _end(worker: WorkerProcess) -> None:
    """Stop it, also when it falls asleep over that."""
    stopping = asyncio.create_task(worker.stop())
    while not stopping.done():
        _wake(worker)
        await asyncio.wait([stopping], timeout=0.1)
    await stopping
