"""Waiting until nothing is under way any more, without guessing how long that takes."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.services import SERVICES
from shared.messaging.batch import Consumer
from shared.messaging.topics import group_of
from tests.system import System

__all__ = ["QUIET_LIMIT_S", "consumed", "quiet"]

QUIET_LIMIT_S = 60.0


async def consumed(system: System) -> list[tuple[str, Consumer, str]]:
    """(service, consumer, group without prefix) of all that the product consumes."""
    found = []
    for name, service in SERVICES.items():
        worker = service.build_worker(system.settings(name))
        found += [(name, c, group_of(name, c.topic)) for c in worker.consumers]
        await worker.close()
    return found


async def quiet(
    system: System,
    *,
    parked: int = 0,
    more_groups: Collection[tuple[str, str]] = (),
    limit_s: float = QUIET_LIMIT_S,
) -> None:
    """Wait until nothing is under way any more: no rows waiting, no messages unread.

    Two looks with the same ends of all topics, and with nothing waiting in the databases and
    nothing unread in both, have nothing in flight between them.

    Args:
        parked: how many parked messages will stay.
        more_groups: (topic, group) of consumers that a test has added.
    """
    groups = [(consumer.topic.name, group) for _, consumer, group in await consumed(system)]
    groups += more_groups
    admin = AIOKafkaAdminClient(bootstrap_servers=system.servers.kafka_bootstrap)
    reader, written = (
        AIOKafkaConsumer(
            bootstrap_servers=system.servers.kafka_bootstrap,
            isolation_level=level,
            fetch_max_wait_ms=20,
        )
        for level in ("read_committed", "read_uncommitted")
    )
    await admin.start()
    try:
        async with reader, written:
            await _until_twice_the_same(system, parked, admin, reader, written, groups, limit_s)
    finally:
        await admin.close()


async def _until_twice_the_same(
    system: System,
    parked: int,
    admin: Any,
    reader: AIOKafkaConsumer,
    written: AIOKafkaConsumer,
    groups: Collection[tuple[str, str]],
    limit_s: float,
) -> None:
    deadline = time.monotonic() + limit_s
    before: Mapping[TopicPartition, int] | None = None
    while True:
        waiting = await _waiting(system, parked)
        try:
            unread, ends = await _unread(system, admin, reader, groups)
            unread |= await _unmarked(written, ends)
        except KafkaError as error:  # a broker that has just come back
            unread, ends = {repr(error): 1}, {}
        if not waiting and not unread and ends == before:
            return
        before = ends
        if time.monotonic() > deadline:
            raise AssertionError(f"not quiet after {limit_s:.0f} s: {waiting} {unread}")
        await asyncio.sleep(0.1)


_WAITING = {
    "customers": (),
    "subscriptions": (),
    "billing": ("documents",),
    "notifier": ("deliveries",),
}


async def _waiting(system: System, parked: int) -> dict[str, int]:
    """Rows that somebody still has to work on."""
    found: Counter[str] = Counter()
    for service, tables in _WAITING.items():
        query = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM parked_messages)"
        query += "".join(
            f", (SELECT count(*) FROM {table} WHERE state = 'due')"  # noqa: S608 - names from here
            for table in tables
        )
        outbox, parked_here, *due = (await system.rows(service, query))[0]
        found[f"{service}.outbox"] = outbox
        found["parked"] += parked_here
        found |= dict(zip((f"{service}.{table}" for table in tables), due, strict=True))
    found["parked"] -= parked
    return {name: count for name, count in found.items() if count}


async def _unread(
    system: System, admin: Any, reader: Any, groups: Iterable[tuple[str, str]]
) -> tuple[dict[str, int], dict[TopicPartition, int]]:
    """Messages by group that are not acknowledged, and the ends of the topics."""
    partitions = range(int(system.environment["KONTOR_PARTITIONS"]))
    groups = list(groups)
    ends: dict[TopicPartition, int] = await reader.end_offsets(
        [
            TopicPartition(f"{system.prefix}{t}", p)
            for t in {t for t, _ in groups}
            for p in partitions
        ]
    )
    unread: Counter[str] = Counter()
    for topic, group in groups:
        offsets = await admin.list_consumer_group_offsets(f"{system.prefix}{group}")
        for number in partitions:
            partition = TopicPartition(f"{system.prefix}{topic}", number)
            position = offsets[partition].offset if partition in offsets else 0
            unread[group] += await _count(reader, partition, max(position, 0), ends[partition])
    return {group: count for group, count in unread.items() if count}, ends


async def _unmarked(
    written: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> dict[str, int]:
    """Partitions with a transaction that is committed, but not marked so and not seen yet."""
    count = sum(end > ends[tp] for tp, end in (await written.end_offsets(list(ends))).items())
    return {"partitions with a transaction that has no mark": count} if count else {}


async def _count(reader: Any, partition: TopicPartition, start: int, end: int) -> int:
    """Messages in [start, end): offsets are also taken by the marks of Kafka's transactions."""
    if start >= end:
        return 0
    reader.assign([partition])
    reader.seek(partition, start)
    count = 0
    while await reader.position(partition) < end:
        for records in (await reader.getmany(timeout_ms=50)).values():
            count += sum(record.offset < end for record in records)
    return count
