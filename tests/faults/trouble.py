"""Handlers that fail at one message, in ways that pass by themselves."""

from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import text

from shared.database import Tx
from shared.events import Event
from shared.messaging.batch import BatchProcessor, Handler, Unsettled, Waiting
from shared.worker import Worker

__all__ = ["Kind", "Trouble"]

Kind = Literal["transient", "of its own"]
"""Of the database and gone when tried again; of the message, and gone when tried alone again."""

# What PostgreSQL itself raises: a race, a deadlock, an ended session, a lock not to be had.
_RAISE = "DO $$ BEGIN RAISE EXCEPTION 'as the test wants it' USING ERRCODE = '{}'; END $$"
_ERRORS = (
    _RAISE.format("40001"),
    _RAISE.format("40P01"),
    "SELECT pg_terminate_backend(pg_backend_pid())",
    _RAISE.format("55P03"),
)
_batch: ContextVar[tuple[Any, ...]] = ContextVar("batch", default=())
_tried: ContextVar[int] = ContextVar("tried", default=0)


class _Hiccup(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Strike:
    """One failure, of `tried` messages; their batch came from these partitions."""

    group: str
    partitions: frozenset[int]
    tried: int


class Trouble:
    """In each group one message of a customer fails until it has shown what becomes of it.

    Attributes:
        customer_id: whose messages; nobody's as long as it is None.
        strikes: all failures there were.
        given_back: how many batches went back to the topic, by group.
    """

    def __init__(self, kind: Kind, *, transient_limit_s: float = 60.0) -> None:
        self.customer_id: UUID | None = None
        self.strikes: list[Strike] = []
        self.given_back: Counter[str] = Counter()
        self._kind = kind
        self._limit_s = transient_limit_s
        self._chosen: dict[str, Event] = {}
        self._failed: Counter[str] = Counter()

    def strike(self, worker: Worker) -> None:
        """Make a worker's handlers fail."""
        usual = worker.processors

        def processors() -> list[BatchProcessor]:
            return [self._troubled(one) for one in usual()]

        vars(worker)["processors"] = processors

    def _troubled(self, processor: BatchProcessor) -> BatchProcessor:
        consumer, group = processor.consumer, processor.name
        handlers = {kind: self._failing(h, group) for kind, h in consumer.handlers.items()}
        changed = replace(
            processor,
            consumer=replace(consumer, handlers=handlers),
            transient_limit_s=self._limit_s,
        )
        process, commit = changed.process, changed._commit

        async def watched_process(records: Iterable[Any]) -> None:
            _batch.set(tuple(records))
            try:
                await process(_batch.get())
            except Unsettled:
                self.given_back[group] += 1
                raise

        async def watched_commit(messages: Any) -> None:
            _tried.set(len(messages))
            await commit(messages)

        vars(changed).update(process=watched_process, _commit=watched_commit)
        return changed

    def _failing(self, handler: Handler, group: str) -> Handler:
        async def handle(tx: Tx, events: Any, *, now: Any, new_id: Any) -> Waiting:
            for event in events:
                if (
                    event.customer_id == self.customer_id
                    and self._chosen.setdefault(group, event) == event
                ):
                    await self._fail(tx, group)
            return await handler(tx, events, now=now, new_id=new_id)

        return cast("Handler", handle)

    async def _fail(self, tx: Tx, group: str) -> None:
        tried, failed = _tried.get(), self._failed[group]
        if self._kind == "transient" and failed < len(_ERRORS):
            self._note(group, tried)
            await tx.execute(text(_ERRORS[failed]))
        elif self._kind == "of its own" and (tried > 1 or not failed):
            # Whoever is with it makes it fail; alone it does once more.
            self._note(group, tried, counts=tried == 1)
            raise _Hiccup("as the test wants it")

    def _note(self, group: str, tried: int, *, counts: bool = True) -> None:
        self._failed[group] += counts
        records = _batch.get()
        partitions = frozenset(record.partition for record in records)
        self.strikes.append(Strike(group, partitions, tried))
