"""Running system and floor in turn, and saying what came of it."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.progress import Progress

from deploy.services import SERVICES
from shared.messaging.topics import create_topics
from tests.servers import TestServers, clone_databases, drop_databases
from tests.tokens import issuer

__all__ = [
    "Arena",
    "Benchmark",
    "Result",
    "arena",
    "bench",
    "count_until",
    "free_port",
    "process",
    "report",
]

_STDERR = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of output: `ratio` is system / floor, `spread` (max - min) / median of ratios."""

    metric: str
    system: float
    floor: float
    ratio: float
    unit: str
    rounds: int
    spread: float
    conditions: str
    at_least: float | None = None


@dataclass
class Arena:
    """Databases and topics of one round, empty or filled by the benchmark."""

    servers: TestServers
    databases: dict[str, str]
    prefix: str
    environment: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def arena(servers: TestServers, *, partitions: int = 6) -> AsyncIterator["Arena"]:
    """Databases cloned from the templates and topics under a prefix, for one round."""
    suffix = uuid4().hex[:10]
    databases = await clone_databases(servers, suffix)
    prefix = f"b{suffix}."
    environment = {
        "KONTOR_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "KONTOR_TOPIC_PREFIX": prefix,
        "KONTOR_STORAGE_URL": "memory:///",
        "KONTOR_NOTIFIER_SMTP_PORT": str(servers.smtp_port),
        **issuer().environment,
        **{f"KONTOR_{name.upper()}_DATABASE_URL": url for name, url in databases.items()},
    }
    for name, service in SERVICES.items():
        worker = service.build_worker(service.settings.load(environment))
        topics = [consumer.topic for consumer in worker.consumers]
        await create_topics(
            servers.kafka_bootstrap,
            prefix,
            name,
            topics,
            partitions=partitions,
            replication_factor=1,
        )
        await worker.close()
    try:
        yield Arena(servers, databases, prefix, environment)
    finally:
        await drop_databases(servers, suffix)


@contextmanager
def process(*command: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python process of the product or of a floor, killed at the end."""
    log = Path(".kontor") / "bench.log"
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
        try:
            yield running
        finally:
            running.kill()
            running.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def count_until(
    servers: TestServers, topic: str, expected: int, *, limit_s: float = 300.0
) -> tuple[float, float]:
    """Consume `expected` records; returns when the first and the last one were there."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers.kafka_bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    seen, first = 0, 0.0
    deadline = time.perf_counter() + limit_s
    async with consumer:
        while seen < expected:
            batches = await consumer.getmany(timeout_ms=100)
            count = sum(map(len, batches.values()))
            if count and not seen:
                first = time.perf_counter()
            seen += count
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{topic}: {seen} of {expected} after {limit_s:.0f} s")
    return first, time.perf_counter()


Measure = Callable[[TestServers], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`lower_is_better`: for latencies; then at_least is an upper bound of the ratio."""

    metric: str
    unit: str
    system: Measure
    floor: Measure
    conditions: str
    at_least: float
    lower_is_better: bool = False
    rounds: int = 5
    quick_rounds: int = 3


async def bench(benchmark: Benchmark, servers: TestServers, *, quick: bool) -> Result:
    """Measure system and floor in turn, A B A B ..., so that both see the same machine."""
    rounds = benchmark.quick_rounds if quick else benchmark.rounds
    systems, floors = [], []
    with Progress(console=_STDERR, transient=True) as progress:
        task = progress.add_task(benchmark.metric, total=2 * rounds)
        for _ in range(rounds):
            systems.append(await benchmark.system(servers))
            progress.advance(task)
            floors.append(await benchmark.floor(servers))
            progress.advance(task)
    ratios = [system / floor for system, floor in zip(systems, floors, strict=True)]
    ratio = statistics.median(ratios)
    return Result(
        metric=benchmark.metric,
        system=round(statistics.median(systems), 3),
        floor=round(statistics.median(floors), 3),
        ratio=round(ratio, 3),
        unit=benchmark.unit,
        rounds=rounds,
        spread=round((max(ratios) - min(ratios)) / ratio, 3),
        conditions=f"{benchmark.conditions}; {os.cpu_count()} cores",
        at_least=benchmark.at_least,
    )


def report(results: Sequence[Result]) -> None:
    for result in results:
        print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - this is the output
