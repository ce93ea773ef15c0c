"""`python -m services.<name> rebuild`: copies anew from the compacted topics they are fed by.

The newest message of a key is its whole present state, so the topics are read from the beginning
to where they end now, and of each piece the handlers get the last message of each key. Copies
ignore what is older than they are, so this may run beside the workers; a row whose version is too
high must be deleted first.
"""

from collections import defaultdict
from collections.abc import AsyncIterator

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.database import Tx
from shared.events import Event, Topic, topics
from shared.messaging.batch import Consumer
from shared.messaging.message import decode, storable
from shared.settings import Settings
from shared.worker import Worker

__all__ = ["rebuild"]

log = structlog.get_logger()

_BATCH = 500


async def rebuild(worker: Worker) -> dict[Topic, int]:
    """Apply every compacted topic that the service consumes; returns how many messages each had."""
    counts = {}
    for consumer in worker.consumers:
        if consumer.topic.compacted:
            counts[consumer.topic] = await _rebuild(worker, consumer)
            log.info("topic applied", topic=consumer.topic.name, messages=counts[consumer.topic])
    return counts


async def _rebuild(worker: Worker, consumer: Consumer) -> int:
    count = 0
    async for records in _read(worker.settings, consumer.topic):
        count += len(records)
        events = [event for record in records if (event := _event(consumer.topic, record))]
        newest = list({event.key: event for event in events}.values())
        async with worker.database.transaction() as tx:
            await _apply(tx, worker, consumer, newest)
    return count


async def _apply(tx: Tx, worker: Worker, consumer: Consumer, events: list[Event]) -> None:
    """What a batch does, without the inbox: it has seen these events already."""
    if consumer.lock:
        await consumer.lock(tx, sorted({e.customer_id for e in events if e.customer_id}))
    by_type: defaultdict[type[Event], list[Event]] = defaultdict(list)
    for event in events:
        by_type[type(event)].append(event)
    for kind, group in by_type.items():
        if handler := consumer.handlers.get(kind):
            await handler(tx, group, now=worker.clock(), new_id=worker.new_id)


async def _read(settings: Settings, topic: Topic) -> AsyncIterator[list[ConsumerRecord]]:
    """Everything on a topic up to where it ends now, in bounded pieces, per key in order."""
    reader = AIOKafkaConsumer(
        f"{settings.topic_prefix}{topic.name}",  # without a group it gets all partitions
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await reader.start()
    try:
        ends = await reader.end_offsets(reader.assignment())
        while any([await reader.position(p) < end for p, end in ends.items()]):
            found = await reader.getmany(timeout_ms=500, max_records=_BATCH)
            yield [record for records in found.values() for record in records]
    finally:
        await reader.stop()


def _event(topic: Topic, record: ConsumerRecord) -> Event | None:
    headers = {storable(name.encode()): storable(value) for name, value in record.headers}
    message = decode(
        topic.name,
        record.partition,
        record.offset,
        record.key,
        record.value,
        headers,
        known=topics()[topic],
    )
    if message.broken:
        # Whoever consumes it has a dead letter of it; a copy is made of what can be read.
        log.warning("record passed over", topic=topic.name, partition=record.partition,
                    offset=record.offset, reason=message.broken)  # fmt: skip
    return message.event
