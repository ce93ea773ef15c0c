"""`python -m tests.benchmarks`: one JSON line per metric. QUICK=1 is shorter, ONLY=name picks."""

import asyncio
import os
import sys
from pathlib import Path

from tests.benchmarks import customer_lists, invoice_lists
from tests.benchmarks.api import PAY, READ
from tests.benchmarks.endurance import GROWTH, MEMORY
from tests.benchmarks.harness import bench, report
from tests.benchmarks.latency import LATENCY
from tests.benchmarks.paid_path import BACKLOG, RELAY
from tests.servers import TestServers, test_servers

_LISTS = {
    customer_lists.METRIC: customer_lists.list_latency,
    invoice_lists.METRIC: invoice_lists.invoice_list_latency,
}
_BENCHMARKS = (BACKLOG, LATENCY, RELAY, READ, PAY, GROWTH, MEMORY)


async def _run(servers: TestServers, names: str, *, quick: bool) -> bool:
    good = True
    for benchmark in _BENCHMARKS:
        if names and benchmark.metric not in names.split(","):
            continue
        result = await bench(benchmark, servers, quick=quick)
        report([result])
        good &= (
            result.ratio <= benchmark.at_least
            if benchmark.lower_is_better
            else result.ratio >= benchmark.at_least
        )
    for metric, measure in _LISTS.items():
        if not names or metric in names.split(","):
            result = await measure(servers, quick=quick)
            report([result])
            good &= result.ratio <= 1.0
    return good


def main() -> bool:
    quick = bool(os.environ.get("QUICK"))
    with test_servers(Path(".kontor") / "bench") as servers:
        return asyncio.run(_run(servers, os.environ.get("ONLY", ""), quick=quick))


if __name__ == "__main__":
    sys.exit(not main())
