"""A service: its settings and how its two halves are built, and the command that runs it.

`python -m services.<name> [role ...]` runs the given roles in one process; without any, all but
`api`, `migrate` and `rebuild`, which is what the embedded stack runs. Modules that only one role
needs are imported by that role: a worker does not load the web framework, nor an API the Kafka
client.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.observability import setup_logging
from shared.settings import EdgeSettings, Settings
from shared.tracing import setup_tracing

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["EdgeService", "Service", "fast_runner", "main", "migrate", "stop_signal"]

# A batch makes tens of thousands of objects that die with it, a request a thousand: with Python's
# default of 700 a batch was interrupted hundreds of times to look for cycles (7 % of its time).
_GC_THRESHOLDS = (50_000, 20, 50)


@dataclass(frozen=True)
class EdgeService:
    """A service that answers requests and keeps nothing: the role `api` is all it has."""

    settings: type[EdgeSettings]
    build_api: Callable[[Any], "FastAPI"]

    @property
    def roles(self) -> tuple[str, ...]:
        """What it can be started as."""
        return ("api",)

    @property
    def default_roles(self) -> tuple[str, ...]:
        """What it is started as when nothing is said."""
        return ("api",)


@dataclass(frozen=True)
class Service(EdgeService):
    """A service with a database.

    `jobs`: the roles of its due work, beside api, worker, relay, migrate and rebuild.
    """

    settings: type[Settings]
    build_worker: Callable[[Any], "Worker"]
    jobs: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        return ("api", "migrate", "rebuild", *self.default_roles)

    @property
    def default_roles(self) -> tuple[str, ...]:
        return ("worker", "relay", *self.jobs)


def stop_signal(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


def fast_runner() -> asyncio.Runner:
    """Runs coroutines on the fast event loop."""
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _run(service: EdgeService, settings: Any, roles: Sequence[str]) -> None:
    stop = stop_signal(asyncio.get_running_loop())
    gc.set_threshold(*_GC_THRESHOLDS)
    async with asyncio.TaskGroup() as group:
        if "api" in roles:
            from shared.asgi import serve

            api = service.build_api(settings)
            gc.freeze()  # what was imported stays for good; looking through it takes 50 ms
            group.create_task(
                serve(
                    api,
                    settings.api_host,
                    settings.api_port,
                    stop,
                    graceful_timeout_s=settings.graceful_timeout_s,
                    trusted_proxies=settings.trusted_proxies,
                )
            )
        if isinstance(service, Service) and set(roles) - {"api"}:
            from shared.running import run_worker

            gc.freeze()  # what was imported stays for good
            group.create_task(run_worker(service.build_worker(settings), roles, stop))


async def migrate(service: Service, settings: Settings) -> None:
    """Bring the database to the newest revision and create the topics."""
    from shared.messaging.topics import create_topics
    from shared.migrations import upgrade

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
    await worker.close()


async def _rebuild(service: Service, settings: Settings) -> None:
    from shared.rebuild import rebuild

    worker = service.build_worker(settings)
    try:
        await rebuild(worker)
    finally:
        await worker.close()


def main(service: EdgeService, arguments: Sequence[str] | None = None) -> None:
    settings: Any = service.settings.load()
    setup_logging(settings.service, settings.log_level)
    setup_tracing(settings.service)
    roles = list(sys.argv[1:] if arguments is None else arguments)
    if unknown := set(roles) - set(service.roles):
        known = ", ".join(sorted(service.roles))
        sys.exit(f"unknown role {', '.join(sorted(unknown))}; there are {known}")
    if isinstance(service, Service) and "migrate" in roles:
        asyncio.run(migrate(service, settings))
        return
    if isinstance(service, Service) and "rebuild" in roles:
        asyncio.run(_rebuild(service, settings))
        return
    with fast_runner() as runner:
        runner.run(_run(service, settings, roles or service.default_roles))
