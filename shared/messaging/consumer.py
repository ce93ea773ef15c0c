"""The only place that creates Kafka subscribers, because their defaults lose messages.

FastStream acknowledges first, starts at the newest record, and drops a batch whose handler or
decoder raises. Here: manual acknowledgement, from the earliest record, raw bytes in the decoder,
and no way out of the handler but committed offsets or `nack`.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.failpoints import failpoint
from shared.messaging.batch import BatchProcessor
from shared.messaging.lost_connections import notice_lost_connections
from shared.settings import Settings

__all__ = ["create_broker", "subscribe"]

log = structlog.get_logger()

_NACK_PAUSE_S = 1.0
_COMMIT_LIMIT_S = 2.0


class _Commits:
    """Commits the offsets of a settled batch while the next one is under way, one at a time."""

    def __init__(self) -> None:
        self._last: asyncio.Task[None] | None = None

    async def begin(self, consumer: AIOKafkaConsumer, records: Iterable[ConsumerRecord]) -> None:
        if self._last:
            await asyncio.wait({self._last})
        ends = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        self._last = asyncio.create_task(_commit(consumer, ends))

    async def end(self) -> None:
        if self._last:
            await asyncio.wait({self._last}, timeout=_COMMIT_LIMIT_S)
            self._last.cancel()  # without a broker it would try for ever


async def _commit(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
    own = {tp: end for tp, end in ends.items() if tp in consumer.assignment()}
    try:
        if own:
            await consumer.commit(own)
    except KafkaError as error:
        # Whoever has the partitions now reads the batch again, and the inbox has it.
        log.info("offsets are not committed", error=repr(error))


def _prompt(commits: _Commits) -> type[BatchSubscriber]:
    class Prompt(BatchSubscriber):
        """Asks again at once when there was nothing.

        FastStream's own then sleeps for as long as it has waited, and what comes meanwhile is late.
        """

        __slots__ = ()

        async def get_msg(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
            found = await consumer.getmany(
                timeout_ms=self.batch_timeout_ms, max_records=self.max_records
            )
            return tuple(chain.from_iterable(found.values()))

        async def stop(self) -> None:
            self.running = False  # a batch that is still under way ends its commit itself
            await commits.end()
            await super().stop()

    return Prompt


async def _raw(message: Any) -> Any:
    return message.body


def create_broker(settings: Settings) -> KafkaBroker:
    notice_lost_connections()
    return KafkaBroker(
        settings.kafka_bootstrap,
        client_id=f"kontor-{settings.service}",
        graceful_timeout=settings.graceful_timeout_s,
        logger=logging.getLogger("faststream"),
        log_level=logging.DEBUG,
        decoder=_raw,
        allow_auto_create_topics=False,
    )


def subscribe(broker: KafkaBroker, settings: Settings, processor: BatchProcessor) -> Any:
    """One subscriber, one consumer, one group for one topic; returns the subscriber."""
    subscriber = broker.subscriber(
        f"{settings.topic_prefix}{processor.consumer.topic.name}",
        group_id=f"{settings.topic_prefix}{processor.name}",
        batch=True,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        batch_timeout_ms=settings.batch_wait_ms,
        max_records=settings.batch_max_records,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.session_timeout_ms // 4,
        fetch_max_wait_ms=100,
        no_reply=True,
    )

    commits = _Commits()

    async def settle(message: KafkaMessage) -> None:
        try:
            await processor.process(message.raw_message)
            failpoint("consumer.before_ack")
        except Exception:
            log.exception("batch goes back to the topic", consumer=processor.name)
            await asyncio.sleep(_NACK_PAUSE_S)
            await message.nack()
        else:
            await commits.begin(message.consumer, message.raw_message)
            if not subscriber.running:
                await commits.end()

    subscriber(settle)
    if type(subscriber) is not BatchSubscriber:
        raise TypeError(f"a batch subscriber was asked for, not a {type(subscriber).__name__}")
    subscriber.__class__ = _prompt(commits)
    return subscriber
