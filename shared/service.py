"""Running a service: roles by command, stopped by SIGTERM or SIGINT.

`python -m services.<name> [role ...]` runs the given roles in one process; without any, all of
them but `api` and `migrate`, which is what the embedded stack runs.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock, NewId, new_id, system_clock
from shared.database import create_engine
from shared.http import create_api
from shared.messaging.batch import BatchProcessor, Consumer
from shared.messaging.consumer import create_broker, subscribe
from shared.messaging.relay import Relay
from shared.messaging.topics import create_topics, group_of
from shared.messaging.wakeup import Wakeup
from shared.migrations import upgrade
from shared.observability import setup_logging
from shared.settings import Settings

__all__ = [
    "Job",
    "Service",
    "Worker",
    "api_of",
    "fast_runner",
    "main",
    "run_roles",
    "serve",
    "stop_signal",
]

log = structlog.get_logger()

Job = Callable[[], Awaitable[bool]]
"""One round of due work; returns whether there may be more right now."""


@dataclass
class Worker:
    """The working half of a service.

    Attributes:
        jobs: due work by role (`clock`, `sender`, ...), each run again and again.
        on_stop: called once everything has stopped.
    """

    settings: Settings
    consumers: Sequence[Consumer] = ()
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    clock: Clock = system_clock
    new_id: NewId = new_id
    engine: AsyncEngine = field(init=False)
    wakeup: Wakeup = field(init=False)
    on_stop: Callable[[], None] = lambda: None

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


@dataclass(frozen=True)
class Service:
    settings: type[Settings]
    build_api: Callable[[Any], FastAPI]
    build_worker: Callable[[Any], Worker]


def api_of(settings: Settings, routers: Sequence[APIRouter]) -> FastAPI:
    """A service's API on its own engine; what it commits wakes the relay at once."""
    wakeup = Wakeup(settings.database_url)
    return create_api(
        settings.service,
        routers,
        create_engine(settings.database_url, settings.database_pool_size),
        committed=wakeup.hint,
        background=[wakeup.run],
    )


async def run_worker(worker: Worker, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run consumers, relay and jobs until `stop`; a failing part ends the process."""
    settings = worker.settings
    broker = create_broker(settings)
    processors = worker.processors() if "worker" in roles else []
    for processor in processors:
        subscribe(broker, settings, processor)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.wakeup.run())]
        if "relay" in roles:
            relay = Relay(
                settings.database_url,
                settings.kafka_bootstrap,
                settings.topic_prefix,
                worker.wakeup,
            )
            tasks.append(group.create_task(relay.run()))
        jobs: list[Job] = [job for role in roles for job in worker.jobs.get(role, ())]
        jobs += [_parked(processor) for processor in processors]
        tasks += [group.create_task(worker.wakeup.work(_lasting(job))) for job in jobs]
        if processors:
            await broker.start()
        log.info("worker started", roles=list(roles))
        await stop.wait()
        # First no new messages, then the relay and the jobs: what the last batch left in the
        # outbox is still sent when there is time, and waits in the table when there is not.
        await broker.stop()
        for task in tasks:
            task.cancel()
    await worker.engine.dispose()
    worker.on_stop()


def _parked(processor: BatchProcessor) -> Job:
    async def release() -> bool:
        await processor.release_parked()
        return False

    return release


def _lasting(job: Job) -> Job:
    """A job whose failure (a database away, a full disk) is logged and tried again later."""

    async def guarded() -> bool:
        try:
            return await job()
        except Exception:
            log.exception("due work failed")
            return False

    return guarded


def stop_signal(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


async def run_roles(service: Service, settings: Settings, roles: Sequence[str]) -> None:
    stop = stop_signal(asyncio.get_running_loop())
    async with asyncio.TaskGroup() as group:
        if "api" in roles:
            group.create_task(serve(service.build_api(settings), settings, stop))
        if set(roles) - {"api"}:
            group.create_task(run_worker(service.build_worker(settings), roles, stop))


async def serve(app: object, settings: Settings, stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.graceful_timeout_s),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.set()
    stopping.cancel()
    await serving


async def migrate(service: Service, settings: Settings) -> None:
    """Bring the database to the newest revision and create the topics."""
    await asyncio.to_thread(upgrade, settings.service, settings.database_url)
    worker = service.build_worker(settings)
    await create_topics(
        settings.kafka_bootstrap,
        settings.topic_prefix,
        settings.service,
        [consumer.topic for consumer in worker.consumers],
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
    )
    await worker.engine.dispose()
    worker.on_stop()


def main(service: Service, arguments: Sequence[str] | None = None) -> None:
    settings = service.settings.load(os.environ)
    setup_logging(settings.service, settings.log_level)
    roles = list(sys.argv[1:] if arguments is None else arguments)
    known = {"api", "worker", "relay", "migrate", *service.build_worker(settings).jobs}
    if unknown := set(roles) - known:
        sys.exit(f"unknown role {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if "migrate" in roles:
        asyncio.run(migrate(service, settings))
        return
    with fast_runner() as runner:
        runner.run(run_roles(service, settings, roles or sorted(known - {"api", "migrate"})))


def fast_runner() -> asyncio.Runner:
    """The fast event loop, where there is one (not on Windows)."""
    import uvloop  # noqa: PLC0415 - not installable everywhere

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
