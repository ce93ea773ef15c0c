"""From the outbox to Kafka: in order per key, nothing lost, whoever dies.

A shard has one owner: whoever holds its advisory lock, on the connection that also takes the rows.
The owner deletes up to a batch of rows by id, sends them in one Kafka transaction, and commits once
that is committed; any failure rolls back, the rows stay, and it starts over. Never a cursor
`id > last`: ids commit out of order, rows get lost.

The transactional id belongs to the shard. A new owner's first call to Kafka fences the former one,
so a process that hung with a batch half sent, and wakes up when its lock has long gone to another,
cannot put old states behind newer ones.

This is the one place that awaits the network inside a transaction, and that transaction holds
nothing but outbox rows.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer

from shared import metrics
from shared.failpoints import failpoint
from shared.messaging.lost_connections import notice_lost_connections
from shared.messaging.outbox import SHARDS
from shared.messaging.wakeup import FALLBACK_S, Wakeup
from shared.settings import Settings

__all__ = ["Relay"]

log = structlog.get_logger()

_BATCH = 1_000
_LOCK_CLASS = 0x0B0C  # advisory lock (class, shard), of this database only
_TAKE = (
    "DELETE FROM outbox WHERE id = ANY(ARRAY("
    "SELECT id FROM outbox WHERE shard = $1 ORDER BY id LIMIT $2)) "
    "RETURNING id, aggregatetype, aggregateid, payload, headers"
)
_ANY = "SELECT EXISTS (SELECT 1 FROM outbox WHERE shard = $1)"
_SEND_LIMIT_S = 15.0
# Kafka ends a transaction a moment after it has said so; until then it refuses the producer's next
# one, which aiokafka then tries again no sooner than 20 ms later.
_ENDING_S = 0.005
_STOP_LIMIT_S = 5.0
# Readers wait for an open transaction: one that nobody takes over ends by itself.
_ABORTED_AFTER_MS = 20_000


class Relay:
    def __init__(self, settings: Settings, wakeup: Wakeup) -> None:
        self._settings = settings
        self._wakeup = wakeup
        self._sent_at = [0.0] * SHARDS

    async def run(self) -> None:
        notice_lost_connections()
        async with asyncio.TaskGroup() as group:
            for shard in range(SHARDS):
                group.create_task(self._serve(shard))

    async def _serve(self, shard: int) -> None:
        pause_s = 0.1
        while True:
            try:
                async with self._owned(shard) as (connection, producer):
                    pause_s = 0.1
                    await self._wakeup.work(partial(self._drain, connection, producer, shard))
            except Exception as error:
                # Whatever it was, it rolled back and the rows stay: PostgreSQL and Kafka away, but
                # also the assertions by which their clients fail when that comes at a bad moment.
                task = asyncio.current_task()
                if task and task.cancelling():
                    # Rolling back on a connection that is gone has failed, and hid it.
                    raise asyncio.CancelledError from error
                # A new producer: what this one has not committed must never be seen.
                log.warning("relay starts over", shard=shard, error=repr(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)

    @asynccontextmanager
    async def _owned(self, shard: int) -> AsyncIterator[tuple[Any, AIOKafkaProducer]]:
        """Wait for the shard, then fence whoever had it before."""
        settings = self._settings
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=5,
            server_settings={
                "application_name": "kontor relay",
                # The lock of an owner whose machine is gone must not stay for hours.
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
            },
        )
        try:
            # Asked again and again: a query that waits would hold back the vacuum of the outbox.
            while not await connection.fetchval(  # noqa: ASYNC110 - nobody says when it is free
                "SELECT pg_try_advisory_lock($1, $2)", _LOCK_CLASS, shard
            ):
                await asyncio.sleep(FALLBACK_S)
            producer = AIOKafkaProducer(
                bootstrap_servers=settings.kafka_bootstrap,
                transactional_id=f"{settings.topic_prefix}{settings.service}.relay.{shard}",
                transaction_timeout_ms=_ABORTED_AFTER_MS,
                acks="all",
                compression_type="lz4",
                max_batch_size=256 * 1024,
                request_timeout_ms=int(_SEND_LIMIT_S * 1000),
            )
            try:
                await producer.start()
                yield connection, producer
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_LIMIT_S):
                        await producer.stop()
        finally:
            connection.terminate()

    async def _drain(self, connection: Any, producer: AIOKafkaProducer, shard: int) -> bool:
        """Move a batch; tells whether more may be waiting."""
        # Most hints are about another shard: one question instead of a transaction's three.
        if not await connection.fetchval(_ANY, shard):
            return False
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._sent_at[shard] + _ENDING_S - clock())
        async with connection.transaction():
            rows = await connection.fetch(_TAKE, shard, _BATCH)
            async with asyncio.timeout(_SEND_LIMIT_S):
                await self._send(producer, sorted(rows, key=lambda row: row["id"]))
            failpoint("relay.before_commit")
        self._sent_at[shard] = clock()
        metrics.RELAYED.labels(self._settings.service).inc(len(rows))
        return len(rows) == _BATCH

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Any]) -> None:
        await producer.begin_transaction()
        acknowledged = [
            await producer.send(
                f"{self._settings.topic_prefix}{row['aggregatetype']}",
                row["payload"],
                key=row["aggregateid"].encode(),
                headers=[(k, v.encode()) for k, v in json.loads(row["headers"]).items()],
            )
            for row in rows
        ]
        await asyncio.gather(*acknowledged)
        await producer.commit_transaction()
