"""From the outbox to Kafka: in order per key, nothing lost, whoever dies.

A task serves one or more shards, in turn. It takes a shard's advisory lock, deletes up to a batch
of rows by id, sends them, awaits every acknowledgement, and commits; any failure rolls back and the
rows stay. This is the one place that awaits the network inside a transaction, and that transaction
holds nothing but outbox rows. Never a cursor `id > last`: ids commit out of order, rows get lost.
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import metrics
from shared.failpoints import failpoint
from shared.messaging.outbox import SHARDS
from shared.messaging.wakeup import Wakeup
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


class Relay:
    def __init__(self, settings: Settings, wakeup: Wakeup) -> None:
        self._settings = settings
        self._wakeup = wakeup

    async def run(self) -> None:
        tasks = self._settings.relay_tasks
        async with asyncio.TaskGroup() as group:
            for first in range(min(tasks, SHARDS)):
                group.create_task(self._run_shards(range(first, SHARDS, tasks)))

    async def _run_shards(self, shards: Sequence[int]) -> None:
        pause_s = 0.1
        while True:
            try:
                async with _Connections(self._settings) as connections:
                    pause_s = 0.1
                    await self._wakeup.work(partial(self._drain_all, connections, shards))
            except (
                OSError,
                TimeoutError,
                KafkaError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as error:
                # New connections: a producer that failed may still hold unsent records, and
                # they must not overtake what is sent again.
                log.warning("relay starts over", shards=list(shards), error=repr(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)

    async def _drain_all(self, connections: "_Connections", shards: Sequence[int]) -> bool:
        """Move a batch of each shard; tells whether more may be waiting."""
        moved = [
            await self._drain(connections.database, connections.producer, shard) for shard in shards
        ]
        return any(moved)

    async def _drain(self, connection: Any, producer: AIOKafkaProducer, shard: int) -> bool:
        async with connection.transaction():
            if not await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock($1, $2)", _LOCK_CLASS, shard
            ):
                return False  # another relay has this shard; the fallback poll looks again
            rows = await connection.fetch(_TAKE, shard, _BATCH)
            if rows:
                await self._send(producer, sorted(rows, key=lambda row: row["id"]))
                failpoint("relay.before_commit")
        return len(rows) == _BATCH

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Any]) -> None:
        acknowledged = [
            await producer.send(
                f"{self._settings.topic_prefix}{row['aggregatetype']}",
                row["payload"],
                key=row["aggregateid"].encode(),
                headers=[(k, v.encode()) for k, v in json.loads(row["headers"]).items()],
            )
            for row in rows
        ]
        # Not the bare gather: after a failure no send of this batch may still be under way
        # when the next attempt begins.
        results = await asyncio.gather(*acknowledged, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        metrics.RELAYED.labels(self._settings.service).inc(len(rows))


class _Connections:
    """One database connection and one idempotent producer, closed together."""

    database: Any
    producer: AIOKafkaProducer

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            compression_type="lz4",
            max_batch_size=256 * 1024,
            request_timeout_ms=15_000,
        )

    async def __aenter__(self) -> Self:
        self.database = await asyncpg.connect(
            self._settings.database_url,
            timeout=5,
            server_settings={"application_name": "kontor relay"},
        )
        self.producer = self._new_producer()
        try:
            await self.producer.start()
        except BaseException:  # also when the process is stopped while it still starts
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.database.terminate()
        await self.producer.stop()
