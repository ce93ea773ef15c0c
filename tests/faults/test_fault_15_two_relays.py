"""Two relays compete, their database connections are cut while they send, one falls asleep."""

import asyncio
import signal
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import pytest

from tests.faults.fleet import SECONDS, Fleet, WorkerProcess, meanwhile, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.writers import Writers
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = 40
_SLEEPS = max(3, int(SECONDS / 3))
_BACKLOG = 600
_PACE = {"keys_max": 3, "events_max": 6}
_SENDING = (
    "FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'kontor relay%' AND state = 'idle in transaction'"
)


async def test_relays_whose_connections_are_cut_lose_nothing_and_keep_the_order(
    system: System, fleet: Fleet
) -> None:
    chance = seeded("connections cut")
    cuts = 0

    async def cut() -> None:
        """End the connections of relays while they send, again and again."""
        nonlocal cuts
        while True:
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            await _let_gather(looking, relays)
            await _sending(looking)
            cuts += len(await looking.fetch(f"SELECT pg_terminate_backend(pid) {_SENDING}"))

    relays = await _compete(fleet)
    looking = await asyncpg.connect(system.databases["customers"])
    others = working(system, ["subscriptions", "billing", "notifier"])
    async with others, Journeys(system, chance) as journeys:
        customers = await journeys.customers(_CUSTOMERS)
        async with meanwhile(cut()), Writers(system, chance, customers, **_PACE) as writers:
            await asyncio.sleep(SECONDS)
        await verify(system, promised=journeys.promised)
        await writers.all_told_in_order()
    await looking.close()
    assert cuts, "no relay was sending when it was cut: the test has shown nothing"


async def test_a_relay_that_wakes_up_after_losing_its_shards_sends_nothing_old(
    system: System, fleet: Fleet
) -> None:
    chance = seeded("relay asleep")
    await fleet.stop()
    relays = await _compete(fleet)
    others = ["subscriptions", "billing", "notifier"]
    async with working(system, others), Journeys(system, chance) as journeys:
        customers = await journeys.customers(_CUSTOMERS)
    looking = await asyncpg.connect(system.databases["customers"])
    async with Writers(system, chance, customers, **_PACE) as writers:
        for _ in range(_SLEEPS):
            await _sleep_while_sending(looking, relays)
    await looking.close()
    async with working(system, others):
        await verify(system, promised=journeys.promised)
    await writers.all_told_in_order()


async def _compete(fleet: Fleet) -> Sequence[WorkerProcess]:
    return [await fleet.start("customers", ["relay"]) for _ in range(2)]


async def _sleep_while_sending(database: Any, relays: Sequence[WorkerProcess]) -> None:
    """Stop a relay in the middle, cut its connections, and wake it when the other has gone on."""
    sleeper = await _stop_while_sending(database, relays)
    try:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY($1)"
        await database.fetch(query, [*sleeper.ports(await _port(database))])
        before = await database.fetchval("SELECT max(id) FROM outbox")

        async def gone_on() -> bool | None:
            query = "SELECT 1 FROM outbox WHERE id <= $1 LIMIT 1"
            return await database.fetchval(query, before) is None or None

        await eventually(gone_on, "the other relay to take over")
    finally:
        await _signal([sleeper], signal.SIGCONT)


async def _port(database: Any) -> int:
    port: int = await database.fetchval("SELECT inet_server_port()")
    return port


async def _stop_while_sending(database: Any, relays: Sequence[WorkerProcess]) -> WorkerProcess:
    """Stop a relay that has taken rows and not committed yet."""
    while True:
        await _let_gather(database, relays)
        await _sending(database)
        await _signal(relays, signal.SIGSTOP)
        rows = await database.fetch(f"SELECT client_port {_SENDING}")
        ports = {row["client_port"] for row in rows}
        server = await _port(database)
        if found := [relay for relay in relays if ports & relay.ports(server)]:
            await _signal([relay for relay in relays if relay is not found[0]], signal.SIGCONT)
            return found[0]


async def _let_gather(database: Any, relays: Sequence[WorkerProcess]) -> None:
    """Hold the relays up: they can only be met sending when there is much to send."""

    async def backlog() -> bool | None:
        return await database.fetchval("SELECT count(*) FROM outbox") >= _BACKLOG or None

    await _signal(relays, signal.SIGSTOP)
    try:
        await eventually(backlog, "work for the relays")
    finally:
        await _signal(relays, signal.SIGCONT)


async def _sending(database: Any) -> None:
    """Wait until a relay has taken rows that it has not committed yet."""

    async def look() -> bool | None:
        return bool(await database.fetch(f"SELECT 1 {_SENDING}")) or None

    await eventually(look, "a relay to send")


async def _signal(relays: Iterable[WorkerProcess], number: signal.Signals) -> None:
    await asyncio.gather(*(relay._signal(number) for relay in relays))
