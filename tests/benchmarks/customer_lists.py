"""How long lists, deep pages and searches take over very many customers."""

import gc
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from rich.progress import Progress

from deploy.services import SERVICES
from services.customers.domain.customer import Customer
from shared.paging import cursor_of
from shared.search import fold
from tests.benchmarks.crowd import Crowd, fill_customers
from tests.benchmarks.harness import Arena, Result, arena
from tests.servers import TestServers
from tests.tokens import issuer

__all__ = ["METRIC", "list_latency"]

METRIC = "list_latency"
_STDERR = Console(stderr=True)
_STORED, _STORED_QUICK = 1_000_000, 200_000
_ASKED, _ASKED_QUICK = 3_000, 1_500
_LIMIT_MS = 50.0


async def list_latency(servers: TestServers, *, quick: bool) -> Result:
    """p99 of what the API takes for lists and searches, in milliseconds; no floor but a limit.

    One request at a time, in the API's process: what is measured is the service and its database,
    not the network or a queue.
    """
    stored, asked = (_STORED_QUICK, _ASKED_QUICK) if quick else (_STORED, _ASKED)
    crowd = Crowd()
    async with arena(servers) as ground:
        with Progress(console=_STDERR, transient=True) as progress:
            task = progress.add_task(f"{METRIC}: {stored:,} customers", total=stored)
            await fill_customers(
                ground.databases["customers"],
                stored,
                crowd,
                lambda done: progress.advance(task, done),
            )
            task = progress.add_task(f"{METRIC}: {asked:,} requests", total=asked)
            taken, busy = await _ask(ground, crowd, stored, asked, lambda: progress.advance(task))
    everything = sorted(ms for times in taken.values() for ms in times)
    by_kind = ", ".join(
        f"{kind} {statistics.median(times):.0f}/{_p99(times):.0f}" for kind, times in taken.items()
    )
    p50, p99 = statistics.median(everything), _p99(everything)
    return Result(
        metric=METRIC,
        system=round(p99, 1),
        floor=_LIMIT_MS,
        ratio=round(p99 / _LIMIT_MS, 3),
        unit="ms, p99 of server time; the floor is the limit",
        rounds=len(everything),
        spread=round((everything[-1] - p50) / p50, 3),
        conditions=f"{stored:,} customers, p50 {p50:.1f}, longest {everything[-1]:.0f} ms; "
        f"of it on a processor p50 {statistics.median(busy):.1f}, p99 {_p99(busy):.1f} ms; "
        f"p50/p99 by kind: {by_kind}; {os.cpu_count()} cores",
        at_least=1.0,
    )


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


async def _ask(
    ground: Arena, crowd: Crowd, stored: int, asked: int, advance: Callable[[], None]
) -> tuple[dict[str, list[float]], list[float]]:
    """Milliseconds by kind, and how many of them API and database were at work, not waiting."""
    service = SERVICES["customers"]
    app = service.build_api(service.settings.load(ground.environment))
    gc.collect()
    gc.freeze()  # as a service's process does: what was imported is not looked through again
    taken: defaultdict[str, list[float]] = defaultdict(list)
    busy: list[float] = []
    backends: list[int] = []
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://kontor/v1",
            headers=issuer().headers(),
            timeout=60,
        ) as client,
    ):
        kinds = list(_KINDS.items())
        for turn in range(-len(kinds), asked):  # the first of each kind warms up
            kind, make = kinds[turn % len(kinds)]
            parameters = make(crowd, stored)
            started, used = time.perf_counter(), _processor_ms(backends)
            answer = await client.get("/customers", params=parameters)
            ms = (time.perf_counter() - started) * 1_000
            answer.raise_for_status()
            if turn >= 0:
                taken[kind].append(ms)
                busy.append(_processor_ms(backends) - used)
                advance()
            else:
                backends = await _backends(ground)
    return taken, busy


async def _backends(ground: Arena) -> list[int]:
    connection = await asyncpg.connect(ground.databases["customers"])
    try:
        query = (
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [row["pid"] for row in await connection.fetch(query)]
    finally:
        await connection.close()


def _processor_ms(pids: list[int]) -> float:
    """Processor time of this process and of those; a shared machine takes none away from it."""
    files = (Path(f"/proc/{pid}/schedstat") for pid in pids)
    others_ns = sum(int(file.read_text().split()[0]) for file in files if file.exists())
    return time.process_time() * 1_000 + others_ns / 1_000_000


# -- what people ask for -----------------------------------------------------------------------

_Ask = Callable[[Crowd, int], dict[str, Any]]


def _somebody(crowd: Crowd) -> Customer:
    return crowd.customer(crowd.random.randrange(10_000_000))


def _filters(crowd: Crowd) -> dict[str, str]:
    some = {"country": _somebody(crowd).country, "status": crowd.random.choice(_STATUSES)}
    return {name: value for name, value in some.items() if value and crowd.random.random() < 0.6}


_STATUSES = ("active", "deactivated", "")


def _list(crowd: Crowd, _: int) -> dict[str, Any]:
    return {"sort": crowd.random.choice(("name", "-name", "created", "-created", "number"))}


def _filtered(crowd: Crowd, stored: int) -> dict[str, Any]:
    return {**_list(crowd, stored), **_filters(crowd)}


def _deep(crowd: Crowd, stored: int) -> dict[str, Any]:
    number = 10_001 + crowd.random.randrange(stored)
    if crowd.random.random() < 0.5:
        return {"sort": "number", "after": cursor_of([number]), **_filters(crowd)}
    name = fold(_somebody(crowd).shown_name)
    sort = crowd.random.choice(("name", "-name"))
    return {"sort": sort, "after": cursor_of([name, number]), **_filters(crowd)}


def _words(crowd: Crowd, _: int) -> dict[str, Any]:
    one = _somebody(crowd)
    fields = (one.company_name, one.contact_name, one.city, one.email, one.number)
    return {"search": crowd.random.choice([field for field in fields if field])}


def _begun(crowd: Crowd, _: int) -> dict[str, Any]:
    name = _somebody(crowd).shown_name
    return {"search": name[: crowd.random.randint(2, len(name))].ljust(2, "a")}


def _misspelt(crowd: Crowd, _: int) -> dict[str, Any]:
    words = _somebody(crowd).shown_name.split()
    place = crowd.random.randrange(len(words))
    words[place] = _with_error(crowd, words[place])
    return {"search": " ".join(words[: crowd.random.randint(place + 1, len(words))])}


def _with_error(crowd: Crowd, word: str) -> str:
    place = crowd.random.randrange(len(word))
    letter = crowd.random.choice("aeinrst")
    return crowd.random.choice(
        (
            word[:place] + word[place + 1 :],
            word[:place] + letter + word[place:],
            word[:place] + letter + word[place + 1 :],
            word[:place] + word[place : place + 2][::-1] + word[place + 2 :],
        )
    ).ljust(2, "a")


def _common(crowd: Crowd, _: int) -> dict[str, Any]:
    words = ("gmbh", "ag", "example", "anna", "anna gmbh", "zürich", "hotel ag", "aaaa", "an", "ma")
    return {"search": crowd.random.choice(words), **_filters(crowd)}


def _nonsense(crowd: Crowd, _: int) -> dict[str, Any]:
    letters = crowd.random.choices("abcdefghijklmnopqrstuvwxyz  ", k=crowd.random.randint(5, 30))
    return {"search": "xy" + "".join(letters)}


def _narrowed(crowd: Crowd, stored: int) -> dict[str, Any]:
    sort = crowd.random.choice(("name", "-created"))
    return {**_misspelt(crowd, stored), **_filters(crowd), "sort": sort}


_KINDS: dict[str, _Ask] = {
    "list": _list,
    "filtered": _filtered,
    "deep page": _deep,
    "search": _words,
    "search as typed": _begun,
    "search with an error": _misspelt,
    "search for common words": _common,
    "search for nonsense": _nonsense,
    "search with filters": _narrowed,
}
