"""What becomes of the paid path as data and time grow: cost per event, memory of the worker."""

import os
from contextlib import suppress
from functools import partial

import httpx
import psutil

from shared.events.subscriptions import SUBSCRIPTIONS
from tests.benchmarks.harness import Benchmark, arena, count_until, free_port, process
from tests.benchmarks.paid_path import send_paid
from tests.benchmarks.stored import fill_bookings
from tests.servers import TestServers
from tests.system import eventually

__all__ = ["GROWTH", "MEMORY"]

_QUICK = bool(os.environ.get("QUICK"))
_BACKLOG = 10_000
_FEW, _MANY = 10_000, 200_000 if _QUICK else 1_000_000
_EVENTS = 40_000 if _QUICK else 1_000_000
_WORKER = ("-m", "services.subscriptions", "worker", "relay")


async def _cost_us(servers: TestServers, stored: int) -> float:
    """Time per event, in microseconds, with so many subscriptions stored before."""
    async with arena(servers) as ground:
        database = ground.databases["subscriptions"]
        await send_paid(ground, await fill_bookings(database, _BACKLOG, stored=stored))
        with process(*_WORKER, environment=ground.environment):
            topic = f"{ground.prefix}{SUBSCRIPTIONS.name}"
            first, last = await count_until(servers, topic, _BACKLOG)
    return (last - first) / _BACKLOG * 1e6


GROWTH = Benchmark(
    metric="cost_growth",
    unit="us/event",
    system=partial(_cost_us, stored=_MANY),
    floor=partial(_cost_us, stored=_FEW),
    conditions=f"{_MANY:,} stored subscriptions against {_FEW:,}, backlog of {_BACKLOG:,}",
    at_least=1.3,
    lower_is_better=True,
    rounds=3,
    quick_rounds=1,
)


async def _memory_mb(servers: TestServers, *, events: int) -> float:
    """Memory of a worker process once it is ready and has settled so many events."""
    async with arena(servers) as ground:
        waiting = await fill_bookings(ground.databases["subscriptions"], max(events, 1))
        port = free_port()
        environment = {**ground.environment, "KONTOR_MONITORING_PORT": str(port)}
        with process(*_WORKER, environment=environment) as worker:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as monitor:

                async def ready() -> bool | None:
                    with suppress(httpx.TransportError):
                        return (await monitor.get("/health")).is_success or None
                    return None

                await eventually(ready, "the worker")
            for start in range(0, events, _BACKLOG):
                await send_paid(ground, waiting[start : start + _BACKLOG])
            if events:
                topic = f"{ground.prefix}{SUBSCRIPTIONS.name}"
                await count_until(servers, topic, events, limit_s=3_600)
            return float(psutil.Process(worker.pid).memory_info().rss) / 2**20


MEMORY = Benchmark(
    metric="memory",
    unit="MB",
    system=partial(_memory_mb, events=_EVENTS),
    floor=partial(_memory_mb, events=0),
    conditions=f"RSS of a worker with its relay after {_EVENTS:,} events, against just started",
    at_least=1.5,
    lower_is_better=True,
    rounds=1,
    quick_rounds=1,
)
