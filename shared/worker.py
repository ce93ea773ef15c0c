"""The working half of a service: consumers and due work."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Table

from shared.clock import Clock, NewId, clock_of, new_id
from shared.database import Database
from shared.messaging.batch import BatchProcessor, Consumer
from shared.messaging.topics import group_of
from shared.messaging.wakeup import Wakeup
from shared.settings import Settings

__all__ = ["Job", "Worker"]

Job = Callable[[], Awaitable[bool]]
"""One round of due work, in transactions of its own; tells whether there was any."""


@dataclass
class Worker:
    """What a service's worker process runs.

    Attributes:
        jobs: due work by role (`renderer`, `sender`, ...), each run again and again: at once after
            whatever was committed.
        timers: what time alone makes due, by role (`clock`): looked at every second.
        due_tables: the tables of that due work, for the metrics.
        on_stop: called once everything has stopped.
    """

    settings: Settings
    consumers: Sequence[Consumer] = ()
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    timers: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    due_tables: Sequence[Table] = ()
    clock: Clock = field(init=False)
    new_id: NewId = new_id
    on_stop: Callable[[], None] = lambda: None
    database: Database = field(init=False)
    wakeup: Wakeup = field(init=False)

    def __post_init__(self) -> None:
        self.clock = clock_of(self.settings.test_clock)
        self.database = Database(self.settings.database_url, self.settings.database_pool_size)
        self.wakeup = Wakeup(self.settings.database_url)

    def processors(self) -> list[BatchProcessor]:
        return [
            BatchProcessor(
                name=group_of(self.settings.service, consumer.topic),
                consumer=consumer,
                database=self.database,
                clock=self.clock,
                new_id=self.new_id,
                hint=self.wakeup.hint,
            )
            for consumer in self.consumers
        ]

    async def close(self) -> None:
        await self.database.close()
        self.on_stop()
