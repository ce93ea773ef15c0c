"""A long backlog, and a worker that gets little memory: all is done, and no more is taken."""

import asyncio
import os
from collections import Counter
from itertools import islice
from uuid import UUID

import psutil
import pytest
from aiokafka import AIOKafkaConsumer

from shared.events.subscriptions import ENTITLEMENTS, SUBSCRIPTIONS, SubscriptionActivated
from tests.benchmarks.harness import Arena
from tests.benchmarks.paid_path import send_paid
from tests.benchmarks.stored import fill_bookings
from tests.faults.fleet import Fleet, WorkerProcess
from tests.system import System, eventually

_BACKLOG = int(os.environ.get("KONTOR_FAULT_BACKLOG", "30000"))
_AT_ONCE = 50_000
# A fresh worker takes 60 MB of its own (RLIMIT_DATA); this is the embedded one with all imports.
_DATA_MAX = 160 * 2**20
_GROWTH_MAX = 1.10
_SETTLED_AT = 0.2
_EACH_S = 0.002

pytestmark = pytest.mark.timeout(300 + _BACKLOG * _EACH_S)


async def test_a_backlog_is_worked_off_in_little_memory_however_long_it_is(
    system: System, fleet: Fleet
) -> None:
    waiting = await fill_bookings(system.databases["subscriptions"], _BACKLOG)
    ground = Arena(system.servers, system.databases, system.prefix)
    rest = iter(waiting)
    while chunk := list(islice(rest, _AT_ONCE)):
        await send_paid(ground, chunk)

    # First the backlog in Kafka, then what that has left in the outbox, twice as long.
    worker = await _capped(fleet, "worker")
    await _each_in_bounds(system, worker, "SELECT count(*) FROM inbox WHERE $1 > 0", _BACKLOG)
    await worker.stop()
    relay = await _capped(fleet, "relay")
    await _each_in_bounds(system, relay, "SELECT $1 - count(*) FROM outbox", 2 * _BACKLOG)
    await relay.stop()

    await _all_active_once(system)
    activated = Counter(
        UUID(key) for key in await _keys(system, SUBSCRIPTIONS.name, SubscriptionActivated.TYPE)
    )
    assert activated == Counter(customer for customer, _, _ in waiting)
    assert len(await _keys(system, ENTITLEMENTS.name)) == _BACKLOG


async def _capped(fleet: Fleet, role: str) -> WorkerProcess:
    process = await fleet.start("subscriptions", [role])
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_DATA, (_DATA_MAX, _DATA_MAX))
    return process


async def _each_in_bounds(system: System, process: WorkerProcess, progress: str, goal: int) -> None:
    """Wait until the goal is reached; memory may grow at the start, and then no longer."""
    seen: list[tuple[int, int]] = []

    async def done() -> bool | None:
        count = (await system.rows("subscriptions", progress, goal))[0][0]
        seen.append((count, _resident(process)))
        await asyncio.sleep(0.1)
        return True if count >= goal else None

    limit_s = 60 + goal * _EACH_S
    await eventually(done, f"{goal} of {process.name}", limit_s=limit_s)
    middle = [rss for count, rss in seen if _SETTLED_AT * goal <= count < goal / 2]
    end = [rss for count, rss in seen if count >= goal / 2]
    assert middle, "too fast to be watched: take a longer backlog"
    grown = max(end) / max(middle)
    assert grown <= _GROWTH_MAX, f"grew by {grown:.2f} to {max(end) >> 20} MB with the backlog"


def _resident(process: WorkerProcess) -> int:
    try:
        return int(psutil.Process(process.pid).memory_info().rss)
    except psutil.NoSuchProcess:
        raise AssertionError(f"{process.name} did not survive, see {process.log}") from None


async def _all_active_once(system: System) -> None:
    """What the oracle would say; it can not be asked, for nobody has booked or been invoiced."""
    for query, expected in (
        ("SELECT count(*) FROM subscriptions WHERE state = 'active' AND term = 1", _BACKLOG),
        ("SELECT count(*) FROM offers WHERE state = 'settled'", _BACKLOG),
        ("SELECT count(*) FROM periods WHERE outcome = 'billed' AND term = 1", _BACKLOG),
        ("SELECT count(*) FROM entitlements WHERE data->'plan' IS NOT NULL", _BACKLOG),
        ("SELECT count(*) FROM outbox", 0),
        ("SELECT count(*) FROM dead_letters", 0),
        ("SELECT count(*) FROM parked_messages", 0),
    ):
        found = (await system.rows("subscriptions", query))[0][0]
        assert found == expected, f"{found} instead of {expected}: {query}"


async def _keys(system: System, topic: str, kind: str = "") -> list[str]:
    """The keys of all events of one kind; not the events, of which there may be a million."""
    consumer = AIOKafkaConsumer(
        f"{system.prefix}{topic}",
        bootstrap_servers=system.servers.kafka_bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    keys = []
    async with consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                keys += [
                    record.key.decode()
                    for record in records
                    if not kind or dict(record.headers)["ce_type"].decode() == kind
                ]
    return keys
