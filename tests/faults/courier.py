"""Takes the relays' place: what the services publish goes to Kafka the way a test wants it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
from aiokafka import AIOKafkaProducer

from tests.system import System

__all__ = ["Courier", "Letter"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way; `topic` is without prefix."""

    topic: str
    key: str
    value: bytes | None
    headers: dict[str, str]


Deliver = Callable[[Sequence[Letter]], Sequence[Letter]]
"""Gets what waits in one outbox, in order, and says what is to be sent, in order."""

_TAKE = (
    "DELETE FROM outbox WHERE id = ANY(ARRAY(SELECT id FROM outbox ORDER BY id LIMIT 500)) "
    "RETURNING id, aggregatetype, aggregateid, payload, headers"
)


class Courier:
    """Enter it to carry messages until the block ends."""

    def __init__(self, system: System, deliver: Deliver, *, every_s: float = 0.05) -> None:
        self._system = system
        self._deliver = deliver
        self._every_s = every_s
        self._producer = AIOKafkaProducer(
            bootstrap_servers=system.servers.kafka_bootstrap, acks="all", enable_idempotence=True
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        databases = self._system.databases.values()
        self._rounds = [asyncio.create_task(self._carry(url)) for url in databases]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._rounds:
            task.cancel()
        ended = await asyncio.gather(*self._rounds, return_exceptions=True)
        await self._producer.stop()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _carry(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            while True:
                await self._round(connection)
                # Let some gather, or there would be nothing to shuffle.
                await asyncio.sleep(self._every_s)
        finally:
            connection.terminate()

    async def _round(self, connection: Any) -> None:
        async with connection.transaction():
            rows = sorted(await connection.fetch(_TAKE), key=lambda row: row["id"])
            letters = [
                Letter(
                    row["aggregatetype"],
                    row["aggregateid"],
                    row["payload"],
                    json.loads(row["headers"]),
                )
                for row in rows
            ]
            if letters:
                await self.send(self._deliver(letters))

    async def send(self, letters: Sequence[Letter]) -> None:
        """Send in this order and wait until all have arrived."""
        sent: list[Awaitable[Any]] = [
            await self._producer.send(
                f"{self._system.prefix}{letter.topic}",
                letter.value,
                key=letter.key.encode(),
                headers=[(name, text.encode()) for name, text in letter.headers.items()],
            )
            for letter in letters
        ]
        await asyncio.gather(*sent)
