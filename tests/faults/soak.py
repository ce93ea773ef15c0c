"""`python -m tests.faults.soak MINUTES`: load and deaths for a long time, then the oracle.

Prints what was done and found; ends with 1 when the oracle found anything wrong.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

from deploy.services import SERVICES
from shared.observability import setup_logging
from tests.faults.fleet import Fleet, WorkerProcess, meanwhile, seeded
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import quiet
from tests.servers import TestServers, clone_databases, run_folder, test_servers
from tests.system import System

_CUSTOMERS_PER_MINUTE = 30
_LIVES_S = (10.0, 40.0)
_SAMPLE_S = 5.0
# "": at any instant.
_PLACES = ("", "batch.before_commit", "relay.before_commit", "consumer.before_ack", "")


@dataclass
class Report:
    minutes: float
    journeys: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    quiet_after_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    wrong: str = ""

    def __str__(self) -> str:
        memory = []
        for name, sizes in sorted(self.memory_mb.items()):
            third = len(sizes) // 3 + 1
            memory.append(f"{name} {max(sizes[:third]):.0f} -> {max(sizes[-third:]):.0f}")
        return "\n".join(
            (
                f"minutes under load:      {self.minutes:g}",
                f"journeys:                {self.journeys}",
                f"workers killed:          {dict(self.deaths)}",
                f"quiet again after:       {self.quiet_after_s:.1f} s",
                *(f"{name + ':':<24} {count}" for name, count in self.counts.items()),
                f"memory, MB, highest of the first and last third: {', '.join(memory)}",
                f"oracle:                  {self.wrong or 'nothing wrong'}",
            )
        )


async def _lives(fleet: Fleet, service: str, report: Report) -> None:
    """Die and come back, again and again."""
    chance = seeded(f"soak {service}")
    while True:
        place = _PLACES[report.deaths[service] % len(_PLACES)]
        armed = f"{place}@{chance.randint(1, 60)}" if place else ""
        process = await fleet.start(service, failpoint=armed)
        watching = asyncio.create_task(_watch(process, report))
        with suppress(TimeoutError):
            await asyncio.wait_for(process.ended.wait(), chance.uniform(*_LIVES_S))
        watching.cancel()
        await process.kill()
        report.deaths[service] += 1


async def _watch(process: WorkerProcess, report: Report) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_S)
        with suppress(psutil.Error):
            size = psutil.Process(process.pid).memory_info().rss / 2**20
            report.memory_mb.setdefault(process.name, []).append(size)


async def _soak(system: System, fleet: Fleet, minutes: float) -> Report:
    report = Report(minutes)
    await asyncio.gather(*(fleet.start(service) for service in SERVICES))
    async with Journeys(system, seeded("soak")) as journeys:
        customers = await journeys.customers(int(_CUSTOMERS_PER_MINUTE * minutes) + 1)
        await fleet.stop()
        async with meanwhile(*(_lives(fleet, service, report) for service in SERVICES)):
            report.journeys = await journeys.run(customers, seconds=60 * minutes)
        await fleet.stop()
        await asyncio.gather(*(fleet.start(service) for service in SERVICES))
        started = time.monotonic()
        try:
            await quiet(system)
            report.quiet_after_s = time.monotonic() - started
            await verify(system, promised=journeys.promised, mails_may_repeat=True)
        except AssertionError as error:
            report.wrong = str(error)
    for name, service, query in (
        ("invoices", "billing", "SELECT count(*) FROM invoices"),
        ("payments", "billing", "SELECT count(*) FROM payments"),
        ("activations", "subscriptions", "SELECT count(*) FROM periods"),
        ("mails", "notifier", "SELECT count(*) FROM deliveries WHERE state = 'sent'"),
    ):
        report.counts[name] = (await system.rows(service, query))[0][0]
    return report


async def _run(servers: TestServers, state: Path, minutes: float) -> Report:
    databases = await clone_databases(servers, uuid4().hex[:8])
    folder = run_folder(state)
    system = System(servers, databases, folder, run_workers=False)
    system.environment["KONTOR_SESSION_TIMEOUT_MS"] = "3000"
    async with system, Fleet(system, folder) as fleet:
        return await _soak(system, fleet, minutes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    minutes = parser.parse_args().minutes
    setup_logging("soak", "ERROR")
    state = Path(".kontor").resolve() / "soak"
    with test_servers(state) as servers:
        report = asyncio.run(_run(servers, state, minutes))
    print(report)  # noqa: T201 - a command's output
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
