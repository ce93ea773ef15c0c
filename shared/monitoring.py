"""Watching a worker: gauges for Prometheus, and whether it makes progress.

A consumer can be alive and stuck, so health is judged by progress, not by the process being there:
a consumer that lags must settle batches, and an outbox must not grow old.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared import metrics
from shared.database import Tx
from shared.messaging.batch import BatchProcessor
from shared.messaging.tables import dead_letters, outbox, parked_messages
from shared.worker import Worker

__all__ = ["Monitor"]

log = structlog.get_logger()

_SAMPLE_S = 5.0
STUCK_S = 60.0
PARKED_ALARM_S = 15 * 60.0


class Monitor:
    """Samples a worker every few seconds; `problems` says what is wrong with it."""

    def __init__(self, worker: Worker, subscribers: Sequence[tuple[BatchProcessor, Any]]) -> None:
        self._worker = worker
        self._subscribers = subscribers
        self._sampled_at = time.monotonic()
        self._outbox_age_s = 0.0
        self._database_error: str | None = None

    def problems(self) -> list[str]:
        now = time.monotonic()
        found = []
        if now - self._sampled_at > STUCK_S:
            found.append(f"no look at the database for {now - self._sampled_at:.0f} s")
        if self._database_error:
            found.append(f"database: {self._database_error}")
        if self._outbox_age_s > STUCK_S:
            found.append(f"oldest unsent event waits for {self._outbox_age_s:.0f} s")
        for processor, _ in self._subscribers:
            idle_s = now - processor.progressed_at
            if (processor.busy or processor.lag) and idle_s > STUCK_S:
                found.append(f"{processor.name}: no progress for {idle_s:.0f} s")
        return found

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            try:
                await self._sample()
                self._database_error = None
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                self._database_error = type(error).__name__
            self._sampled_at = time.monotonic()
            await asyncio.sleep(_SAMPLE_S)

    async def _sample(self) -> None:
        worker, service = self._worker, self._worker.settings.service
        for processor, subscriber in self._subscribers:
            processor.lag = await _lag(subscriber.consumer)
            metrics.CONSUMER_LAG.labels(processor.name).set(processor.lag)
        async with worker.database.reading() as tx:
            metrics.POOL_IN_USE.labels(service).set(worker.database.connections_in_use)
            self._outbox_age_s = await self._age_of_outbox(tx)
            await self._count_failures(tx)
            await self._count_due(tx)

    async def _age_of_outbox(self, tx: Tx) -> float:
        oldest = await tx.scalar(
            select(outbox.c.headers["ce_time"].astext).order_by(outbox.c.id).limit(1)
        )
        now = self._worker.clock()
        age_s = (now - type(now).fromisoformat(oldest)).total_seconds() if oldest else 0.0
        metrics.OUTBOX_AGE.labels(self._worker.settings.service).set(age_s)
        return age_s

    async def _count_failures(self, tx: Tx) -> None:
        service, now = self._worker.settings.service, self._worker.clock()
        p, d = parked_messages.c, dead_letters.c
        counts = select(p.consumer, func.count(), func.min(p.parked_at)).group_by(p.consumer)
        parked = {row[0]: (row[1], row[2]) for row in await tx.execute(counts)}
        dead_counts = select(d.consumer, func.count()).where(d.state == "dead").group_by(d.consumer)
        dead = {row[0]: row[1] for row in await tx.execute(dead_counts)}
        for name in {processor.name for processor, _ in self._subscribers} | {*parked, *dead}:
            count, since = parked.get(name, (0, now))
            age_s = (now - since).total_seconds()
            metrics.PARKED.labels(service, name).set(count)
            metrics.PARKED_AGE.labels(service, name).set(age_s)
            metrics.DEAD_LETTERS.labels(service, name).set(dead.get(name, 0))
            if age_s > PARKED_ALARM_S:
                log.error("messages parked for too long", consumer=name, count=count, age_s=age_s)

    async def _count_due(self, tx: Tx) -> None:
        service, now = self._worker.settings.service, self._worker.clock()
        for table in self._worker.due_tables:
            due = select(func.count(), func.min(table.c.next_at)).where(
                table.c.state == "due", table.c.next_at <= now
            )
            count, since = (await tx.execute(due)).one()
            metrics.DUE_WORK.labels(service, table.name).set(count)
            metrics.DUE_WORK_AGE.labels(service, table.name).set(
                (now - since).total_seconds() if since else 0.0
            )

    def app(self) -> Starlette:
        """Answers `/health` (503 when something is wrong) and `/metrics`."""

        async def health(_: Request) -> Response:
            problems = self.problems()
            body = {"status": "failing" if problems else "ok", "problems": problems}
            return JSONResponse(body, 503 if problems else 200)

        return Starlette(routes=[Route("/health", health), Route("/metrics", metrics.exposition)])


async def _lag(consumer: Any) -> int:
    if consumer is None:
        return 0
    lag = 0
    for partition in consumer.assignment():
        end = consumer.highwater(partition)
        if end is not None:
            lag += max(0, end - await consumer.position(partition))
    return lag
