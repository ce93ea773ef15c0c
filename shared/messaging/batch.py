"""A batch of messages becomes one transaction; a broken one never holds up its mates.

Order per key is kept by *waves*: wave k holds the k-th message of each key, so a handler gets at
most one message per key and can decide about all of them at once. When the transaction fails,
the batch is halved until the culprit stands alone; that one is tried again with pauses and then
becomes a dead letter, while everything else is long done.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog

from shared import metrics, tracing
from shared.clock import Clock, NewId
from shared.correlation import Correlation, wave_correlations
from shared.database import Database, Tx
from shared.events import Event, Topic, topics
from shared.failpoints import failpoint
from shared.messaging import dead_letters, inbox, parking
from shared.messaging.message import Message, decode, storable
from shared.messaging.wakeup import PARKED, WORK
from shared.sql_errors import is_transient

__all__ = ["BatchProcessor", "Consumer", "Handler", "Lock", "Unsettled", "Waiting"]

log = structlog.get_logger()

Waiting = Collection[UUID] | None
"""Keys of the messages a handler can not take yet: they are parked until it can."""

Lock = Callable[[Tx, Sequence[UUID]], Awaitable[object]]


class Handler(Protocol):
    async def __call__(self, tx: Tx, events: Any, *, now: Any, new_id: NewId) -> Waiting: ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """What one service does with one topic.

    Attributes:
        handlers: one per event type; types of the topic that are not listed are passed over.
        lock: locks all customers of a batch before anything else, ordered by id, so that two
            batches can not wait for each other.
    """

    topic: Topic
    handlers: Mapping[type[Event], Handler]
    lock: Lock | None = None


class Unsettled(Exception):
    """The batch could not be settled in time; its offsets must not be committed."""


_Run = list[Message]  # messages of one key, in order


@dataclass
class BatchProcessor:
    """Settles batches: every message of one ends as handled, parked, or dead letter.

    Attributes:
        name: the consumer group without prefix; the identity in inbox, parking, dead letters.
        hint: told what a committed batch has left to do, see `Wakeup.hint`.
        retry_pauses_s: pauses before a failing message is tried again; then it is buried.
        transient_limit_s: how long an unreachable database is waited for before `Unsettled`.
    """

    name: str
    consumer: Consumer
    database: Database
    clock: Clock
    new_id: NewId
    hint: Callable[[str], None] = lambda _: None
    retry_pauses_s: tuple[float, ...] = (0.1, 0.3, 1.0)
    transient_limit_s: float = 60.0
    busy: bool = field(default=False, init=False)
    lag: int = field(default=0, init=False)
    progressed_at: float = field(default_factory=time.monotonic, init=False)
    _known: Mapping[str, type[Event]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = topics()[self.consumer.topic]

    async def process(self, records: Iterable[Any]) -> None:
        """Settle aiokafka records.

        Raises:
            Unsettled: the database could not be reached for `transient_limit_s`.
        """
        messages = []
        for record in records:
            headers = {storable(name.encode()): storable(value) for name, value in record.headers}
            kind = self._known.get(headers.get("ce_type", ""))
            if kind is not None and kind not in self.consumer.handlers:
                continue
            messages.append(
                decode(
                    self.consumer.topic.name,
                    record.partition,
                    record.offset,
                    record.key,
                    record.value,
                    headers,
                    known=self._known,
                )
            )
        if messages:
            self.busy = True
            try:
                with metrics.BATCH_SECONDS.labels(self.name).time():
                    await self._settle_patiently(messages)
            finally:
                self.busy = False
        self.progressed_at = time.monotonic()

    async def release_parked(self, *, limit: int = 100) -> bool:
        """Try what is parked and due again; tells whether there was any."""
        async with self.database.reading() as tx:
            keys = await parking.due_keys(tx, self.name, now=self.clock(), limit=limit)
        for key in keys:
            async with self.database.reading() as tx:
                rows = await parking.parked_run(tx, self.name, key, limit=limit)
            await self._settle_patiently(
                [
                    decode(
                        row.topic,
                        row.partition,
                        row.position,
                        row.key.encode(),
                        row.value,
                        row.headers,
                        known=self._known,
                        row_id=row.id,
                    )
                    for row in rows
                ]
            )
        return bool(keys)

    async def _settle_patiently(self, messages: _Run) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.transient_limit_s
        pause_s = 0.05
        while True:
            try:
                await self._settle(messages)
            except Exception as error:
                if not is_transient(error):
                    raise
                if loop.time() + pause_s > deadline:
                    raise Unsettled(self.name) from error
                log.warning("batch waits for the database", consumer=self.name, error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)
            else:
                return

    async def _settle(self, messages: _Run) -> None:
        failed = await self._attempt(messages)
        for pause_s in self.retry_pauses_s:
            if not failed:
                return
            await asyncio.sleep(pause_s)
            failed = [rest for run, _ in failed for rest in await self._attempt(run)]
        while failed:
            if any(run[0].broken for run, _ in failed):
                raise Unsettled(f"{self.name}: a dead letter cannot be written")
            retry = [[run[0].given_up(_describe(error)), *run[1:]] for run, error in failed]
            failed = [rest for run in retry for rest in await self._attempt(run)]

    async def _attempt(self, messages: _Run) -> list[tuple[_Run, Exception]]:
        """Commit what can be committed; returns per failing key its messages from there on."""
        try:
            await self._commit(messages)
        except Exception as error:
            if is_transient(error):
                raise
            if len(messages) == 1:
                log.warning(
                    "message failed",
                    consumer=self.name,
                    event_id=str(messages[0].event_id),
                    exc_info=error,
                )
                return [(messages, error)]
        else:
            return []
        halves, ordered = _halves(messages)
        failed = await self._attempt(halves[0])
        if failed and ordered:
            run, cause = failed[0]
            return [([*run, *halves[1]], cause)]
        return failed + await self._attempt(halves[1])

    async def _commit(self, messages: _Run) -> None:
        now = self.clock()
        async with self.database.transaction() as tx:
            once = {m.event_id: m for m in reversed(messages)}  # the first of equal ids stays
            fresh = await inbox.claim(tx, self.name, once, now=now)
            todo = [m for m in messages if m.event_id in fresh and once[m.event_id] is m]
            broken = [m for m in todo if m.broken]
            if broken:
                await dead_letters.bury(tx, self.name, broken, now=now)
            parked = await parking.waiting(tx, {m.key for m in todo})
            # What has waited already does not wait behind itself.
            own = (
                set() if messages[0].row_id else {key for name, key in parked if name == self.name}
            )
            waiting = await self._run_waves(
                tx, [m for m in todo if not m.broken], blocked=own, now=now
            )
            await self._keep_waiting(tx, messages, waiting, now=now)
            arrived = {key for _, key in parked} - {m.key for m in waiting}
            woken = bool(arrived) and await parking.wake(tx, arrived, now=now)
            failpoint("batch.before_commit")
        failpoint("batch.after_commit")
        self._count(todo, waiting)
        self.hint(WORK)
        if woken:
            self.hint(PARKED)

    def _count(self, settled: _Run, waiting: _Run) -> None:
        parked = {m.event_id for m in waiting}
        counts: Counter[tuple[str, str]] = Counter()
        for message in settled:
            outcome = (
                "dead" if message.broken else "parked" if message.event_id in parked else "handled"
            )
            counts[message.event.TYPE if message.event else "broken", outcome] += 1
        for (kind, outcome), count in counts.items():
            metrics.EVENTS.labels(self.name, kind, outcome).inc(count)

    async def _run_waves(
        self, tx: Tx, messages: _Run, *, blocked: set[str], now: Any
    ) -> list[Message]:
        """Run the handlers; returns the messages that have to wait, or whose key is `blocked`."""
        if not messages:
            return []
        if self.consumer.lock:
            await self.consumer.lock(tx, sorted(_customer_ids(messages)))
        waiting: list[Message] = []
        for wave in _waves(messages):
            by_type: dict[Any, _Run] = defaultdict(list)
            for message in wave:
                if message.key in blocked:
                    waiting.append(message)
                else:
                    by_type[type(message.event)].append(message)
            for kind, group in by_type.items():
                parents = [(m.key, Correlation.from_headers(m.headers)) for m in group]
                with (
                    tracing.spans(f"handle {kind.TYPE}", parents, tracing.SpanKind.CONSUMER) as own,
                    wave_correlations(own),
                ):
                    held = await self.consumer.handlers[kind](
                        tx, [m.event for m in group], now=now, new_id=self.new_id
                    )
                if held:
                    held_keys = {str(key) for key in held}
                    blocked |= held_keys
                    waiting.extend(m for m in group if m.key in held_keys)
        return waiting

    async def _keep_waiting(
        self, tx: Tx, messages: _Run, waiting: list[Message], *, now: Any
    ) -> None:
        if waiting:
            await inbox.release(tx, self.name, [m.event_id for m in waiting])
            await parking.park(tx, self.name, [m for m in waiting if not m.row_id], now=now)
        if messages[0].row_id:
            ids = {m.row_id for m in messages} - {m.row_id for m in waiting}
            await parking.unpark(tx, ids)
            await parking.postpone(tx, self.name, {m.key for m in waiting}, now=now)


def _customer_ids(messages: _Run) -> set[UUID]:
    return {m.event.customer_id for m in messages if m.event and m.event.customer_id}


def _waves(messages: _Run) -> list[_Run]:
    waves: list[_Run] = []
    seen: dict[str, int] = defaultdict(int)
    for message in messages:
        depth = seen[message.key]
        seen[message.key] += 1
        if depth == len(waves):
            waves.append([])
        waves[depth].append(message)
    return waves


def _halves(messages: _Run) -> tuple[tuple[_Run, _Run], bool]:
    """Split by key, or, when there is one key only, in order (then the second is True)."""
    keys = list(dict.fromkeys(m.key for m in messages))
    if len(keys) == 1:
        middle = len(messages) // 2
        return (messages[:middle], messages[middle:]), True
    first = set(keys[: len(keys) // 2])
    return (
        [m for m in messages if m.key in first],
        [m for m in messages if m.key not in first],
    ), False


def _describe(error: Exception) -> str:
    return storable(f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
