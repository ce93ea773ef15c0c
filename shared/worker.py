"""The working half of a service: consumers, the relay, and due work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock, NewId, new_id, system_clock
from shared.database import create_engine
from shared.housekeeping import keep_house
from shared.messaging.batch import BatchProcessor, Consumer
from shared.messaging.consumer import create_broker, subscribe
from shared.messaging.relay import Relay
from shared.messaging.topics import group_of
from shared.messaging.wakeup import Wakeup
from shared.settings import Settings

__all__ = ["Job", "Worker", "run_worker"]

log = structlog.get_logger()

Job = Callable[[], Awaitable[bool]]
"""One round of due work, in transactions of its own; tells whether there was any."""


@dataclass
class Worker:
    """What a service's worker process runs.

    Attributes:
        jobs: due work by role (`clock`, `sender`, ...), each run again and again.
        on_stop: called once everything has stopped.
    """

    settings: Settings
    consumers: Sequence[Consumer] = ()
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    clock: Clock = system_clock
    new_id: NewId = new_id
    on_stop: Callable[[], None] = lambda: None
    engine: AsyncEngine = field(init=False)
    wakeup: Wakeup = field(init=False)

    def __post_init__(self) -> None:
        self.engine = create_engine(self.settings.database_url, self.settings.database_pool_size)
        self.wakeup = Wakeup(self.settings.database_url)

    def processors(self) -> list[BatchProcessor]:
        return [
            BatchProcessor(
                name=group_of(self.settings.service, consumer.topic),
                consumer=consumer,
                engine=self.engine,
                clock=self.clock,
                new_id=self.new_id,
                committed=self.wakeup.hint,
            )
            for consumer in self.consumers
        ]

    async def close(self) -> None:
        await self.engine.dispose()
        self.on_stop()


async def run_worker(worker: Worker, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run consumers, relay and jobs until `stop`; a part that fails ends the process."""
    settings, wakeup = worker.settings, worker.wakeup
    broker = create_broker(settings)
    processors = worker.processors() if "worker" in roles else []
    for processor in processors:
        subscribe(broker, settings, processor)
    jobs: list[Job] = [processor.release_parked for processor in processors]
    jobs += [job for role in roles for job in worker.jobs.get(role, ())]
    running = [wakeup.run(), *(wakeup.work(_lasting(worker, job)) for job in jobs)]
    if processors:
        running.append(keep_house(worker.engine, clock=worker.clock))
    if "relay" in roles:
        running.append(Relay(settings, wakeup).run())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in running]
        if processors:
            await broker.start()
        log.info("worker started", roles=list(roles))
        await stop.wait()
        # First no new messages, then the rest: what the last batch left in the outbox is sent
        # while there is time, and waits in its table when there is not.
        await broker.stop()
        for task in tasks:
            task.cancel()
    await worker.close()


def _lasting(worker: Worker, job: Job) -> Job:
    """A job whose failure (a database away, a full disk) is logged and tried again later."""

    async def round_of_work() -> bool:
        try:
            worked = await job()
        except Exception:
            log.exception("due work failed")
            return False
        if worked:
            worker.wakeup.hint()  # it committed: the relay may have something to send
        return worked

    return round_of_work
