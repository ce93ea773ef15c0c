"""One worker becomes four, then two, by order and by kill -9, while customers book and pay."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.faults import probe
from tests.faults.fleet import SECONDS, Fleet, WorkerProcess, seeded, working
from tests.faults.groups import Groups
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import consumed
from tests.servers import TestServers
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_ROUNDS = max(1, int(SECONDS / 8))
_CUSTOMERS = 100 * _ROUNDS
_AT_ONCE = 4
_PAUSE_S = 0.3
_MOST = 4
_SCALED = {
    "subscriptions": ["worker", "relay"],
    "billing": ["worker", "relay"],
    probe.PROBE: ["worker"],
}
# Backends that have claimed messages and not committed yet.
_IN_HAND = (
    "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE client_port = ANY($1) "
    "AND l.relation = 'inbox'::regclass AND l.mode = 'RowExclusiveLock'"
)


@pytest.fixture(scope="module")
async def system(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """One with a partition for each of the workers."""
    folder = tmp_path_factory.mktemp("documents")
    built = System(servers, databases, folder, run_workers=False, partitions=_MOST)
    built.environment["KONTOR_SESSION_TIMEOUT_MS"] = "3000"
    async with built as running:
        yield running


async def test_workers_that_come_and_go_lose_nothing_and_do_nothing_twice(
    system: System, fleet: Fleet
) -> None:
    await probe.prepare(system)
    # So long that partitions are dealt anew while a batch of them is being worked on.
    system.environment["KONTOR_PROBE_PAUSE_S"] = "0.2"
    crowd = await _Crowd.of(system, fleet)
    unscaled = working(system, ["customers", "notifier"])
    renderer = working(system, ["billing"], without=["worker", "relay"])
    async with unscaled, renderer, Journeys(system, seeded("come and go")) as journeys:
        await crowd.grow(1)
        customers = await journeys.customers(_CUSTOMERS)
        over = asyncio.Event()
        todo = iter([(customer, kind) for kind in ("plan", "module") for customer in customers])

        async def travel() -> None:
            """Go on while workers come and go; no journey ends half way."""
            while not over.is_set():
                await journeys.travel(*next(todo))
                await asyncio.sleep(_PAUSE_S)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(travel())
            for _ in range(_ROUNDS):
                await crowd.grow()
                await crowd.shrink()
            over.set()
        await verify(system, promised=journeys.promised, more_groups=probe.GROUPS)
    await probe.each_counted_once(system)


class _Crowd:
    """The workers of each scaled service; their consumer groups, without prefix, by service."""

    def __init__(self, system: System, fleet: Fleet, groups: dict[str, list[str]]) -> None:
        self._system = system
        self._fleet = fleet
        self._groups = groups
        self._workers: dict[str, list[WorkerProcess]] = defaultdict(list)

    @classmethod
    async def of(cls, system: System, fleet: Fleet) -> "_Crowd":
        groups = defaultdict(list)
        for service, _, group in await consumed(system):
            if service in _SCALED:
                groups[service].append(group)
        groups[probe.PROBE] += [group for _, group in probe.GROUPS]
        return cls(system, fleet, groups)

    async def grow(self, count: int = _MOST) -> None:
        """Start workers until there are so many, and wait until each has something to do."""
        async with asyncio.TaskGroup() as group:
            for service in _SCALED:
                group.create_task(self._grow(service, count))
        await self.settle()

    async def _grow(self, service: str, count: int) -> None:
        workers = self._workers[service]
        while len(workers) < count:
            if workers and service == probe.PROBE:
                # Each that comes makes the partitions be dealt anew: now, over a batch.
                await (await self._stopped_over_a_batch(service))._signal(signal.SIGCONT)
            workers.append(await self._fleet.start(service, _SCALED[service]))

    async def shrink(self) -> None:
        """Take two of the four away: one is told to stop, one is killed over a batch."""
        async with asyncio.TaskGroup() as group:
            for service, workers in self._workers.items():
                group.create_task(self._kill_one(service))
                group.create_task(workers.pop(0).stop())
        await self.settle()

    async def _kill_one(self, service: str) -> None:
        worker = await self._stopped_over_a_batch(service)
        self._workers[service].remove(worker)
        await worker.kill()

    async def _stopped_over_a_batch(self, service: str) -> WorkerProcess:
        """Wait until a worker has messages in its hands, and make it hold them."""
        database = "customers" if service == probe.PROBE else service
        connection = await asyncpg.connect(self._system.databases[database])
        server = await connection.fetchval("SELECT inet_server_port()")

        async def look() -> WorkerProcess | None:
            for worker in self._workers[service]:
                await worker._signal(signal.SIGSTOP)
                if await connection.fetch(_IN_HAND, [*worker.ports(server)]):
                    return worker
                await worker._signal(signal.SIGCONT)
            return None

        try:
            return await eventually(look, f"a worker of {service} with a batch in its hands")
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Wait until the partitions of each group are spread over exactly the workers there are."""
        wanted = {
            group: len(self._workers[service])
            for service, groups in self._groups.items()
            for group in groups
        }
        async with Groups(self._system) as groups:

            async def spread() -> bool | None:
                found = await groups.members(list(wanted))
                working = {name: sum(members.values()) for name, members in found.items()}
                idle = any(not all(members.values()) for members in found.values())
                return True if working == wanted and not idle else None

            await eventually(spread, f"partitions to be spread: {wanted}")
