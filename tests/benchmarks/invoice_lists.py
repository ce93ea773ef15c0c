"""How long lists, deep pages and searches take over very many invoices."""

import gc
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from rich.console import Console
from rich.progress import Progress

from deploy.services import SERVICES
from services.billing.domain.lists import customer_keys, title_id, title_keys
from shared.clock import new_id, system_clock
from shared.paging import cursor_of
from tests.benchmarks.crowd import Crowd
from tests.benchmarks.harness import Arena, Result, arena
from tests.servers import TestServers
from tests.tokens import issuer

__all__ = ["METRIC", "invoice_list_latency"]

METRIC = "invoice_list_latency"
_STDERR = Console(stderr=True)
_STORED, _STORED_QUICK = 1_000_000, 200_000
_ASKED, _ASKED_QUICK = 2_000, 1_000
_PER_CUSTOMER = 12
_LIMIT_MS = 50.0
_CHUNK = 10_000
_FIRST_DAY = date(2021, 1, 1)
_TITLES = ("Plan Starter", "Plan Team", "Plan Business", "Modul Analyse", "Onboarding")


async def invoice_list_latency(servers: TestServers, *, quick: bool) -> Result:
    """p99 of what the API takes for lists and searches, in milliseconds; no floor but a limit."""
    stored, asked = (_STORED_QUICK, _ASKED_QUICK) if quick else (_STORED, _ASKED)
    crowd = Crowd()
    async with arena(servers) as ground:
        with Progress(console=_STDERR, transient=True) as progress:
            task = progress.add_task(f"{METRIC}: {stored:,} invoices", total=stored)
            archive = await _fill(
                ground.databases["billing"],
                stored,
                crowd,
                lambda done: progress.advance(task, done),
            )
            task = progress.add_task(f"{METRIC}: {asked:,} requests", total=asked)
            taken = await _ask(ground, archive, asked, lambda: progress.advance(task))
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
        conditions=f"{stored:,} invoices, p50 {p50:.1f}, longest {everything[-1]:.0f} ms; "
        f"p50/p99 by kind: {by_kind}; {os.cpu_count()} cores",
        at_least=1.0,
    )


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('invoices', 'customer_search') "
    "AND indexname LIKE 'ix\\_%'"
)


class _Archive:
    """Invoices of some years; nearly all of the old ones are paid."""

    def __init__(self, crowd: Crowd, stored: int) -> None:
        self.chance, self.crowd, self.stored = crowd.random, crowd, stored
        self.days = (system_clock().date() - _FIRST_DAY).days
        self.customers: list[tuple[UUID, dict[str, Any]]] = []

    def add_customers(self, count: int) -> list[tuple[UUID, dict[str, Any]]]:
        made: list[tuple[UUID, dict[str, Any]]] = []
        for _ in range(count):
            one = self.crowd.customer(len(self.customers) + len(made) + 10_001)
            state = {
                "number": one.number,
                "company_name": one.company_name,
                "contact_name": one.contact_name,
                "billing_name": "",
            }
            made.append((one.id, state))
        self.customers += made
        return made

    def invoice(self, position: int) -> tuple[Any, ...]:
        day = _FIRST_DAY + timedelta(days=position * self.days // self.stored)
        customer_id, buyer = self.chance.choice(self.customers)
        state, due = self._state(day), day + timedelta(days=30)
        total = self.chance.choice((5295, 10595, 52950, self.chance.randrange(100, 10_000_000)))
        title = self.crowd.skewed(_TITLES)
        if self.chance.random() < 0.01:
            title = f"{self.chance.choice(self.crowd.surnames)} {day}"
        currency = "CHF" if self.chance.random() < 0.8 else "EUR"
        at = datetime.combine(day, datetime.min.time(), system_clock().tzinfo)
        part = total // 3 if state == "open" and self.chance.random() < 0.1 else 0
        paid = total if state == "paid" else part
        draft = state == "draft"
        return (
            new_id(), customer_id, None if draft else f"INV-{day.year}-{position:04}", state, 1,
            title, currency, "de", None if draft else day, None if draft else due, "standard",
            total, 0, 0, total, paid, total if state == "credited" else 0, 0, 0, 0, "[]",
            '{"time_zone": "Europe/Zurich"}', json.dumps(buyer), at, None if draft else at,
            False,
        )  # fmt: skip

    def _state(self, day: date) -> str:
        chance = self.chance.random()
        if chance < 0.02:
            return "void"
        if chance < 0.025:
            return "credited"
        age = (system_clock().date() - day).days
        if age < 40:
            return "draft" if chance < 0.03 else "open" if chance < 0.8 else "paid"
        return "open" if chance < 0.035 else "paid"


_COLUMNS = [
    "id", "customer_id", "number", "state", "version", "title", "currency", "language",
    "invoice_date", "due_date", "tax_treatment", "subtotal_minor", "vat_minor", "rounding_minor",
    "total_minor", "paid_minor", "credited_minor", "credit_used_minor", "surplus_minor",
    "settlement", "vat", "seller", "buyer", "created_at", "opened_at", "hidden",
]  # fmt: skip


async def _fill(
    database: str, stored: int, crowd: Crowd, advance: Callable[[int], None]
) -> _Archive:
    archive = _Archive(crowd, stored)
    connection = await asyncpg.connect(database)
    try:
        # An index is built faster than it is fed.
        indexes = await connection.fetch(_INDEXES)
        for row in indexes:
            await connection.execute(f"DROP INDEX {row['indexname']}")
        for start in range(0, max(stored // _PER_CUSTOMER, 1), _CHUNK):
            left = stored // _PER_CUSTOMER - start
            made = archive.add_customers(min(_CHUNK, left))
            await connection.copy_records_to_table(
                "customers", records=[(i, 1, json.dumps(state)) for i, state in made]
            )
            await connection.copy_records_to_table(
                "customer_search", records=[(i, 1, customer_keys(i, state)) for i, state in made]
            )
        titles = set()
        for start in range(0, stored, _CHUNK):
            records = [archive.invoice(n) for n in range(start, min(stored, start + _CHUNK))]
            titles |= {record[_COLUMNS.index("title")] for record in records}
            await connection.copy_records_to_table("invoices", columns=_COLUMNS, records=records)
            advance(len(records))
        await connection.copy_records_to_table(
            "invoice_titles",
            records=[(title_id(title), title, title_keys(title)) for title in titles],
        )
        await connection.execute("SET maintenance_work_mem = '512MB'")
        for row in indexes:
            await connection.execute(row["indexdef"], timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    finally:
        await connection.close()
    return archive


async def _ask(
    ground: Arena, archive: _Archive, asked: int, advance: Callable[[], None]
) -> dict[str, list[float]]:
    """Milliseconds by kind; one request at a time, in the API's process."""
    service = SERVICES["billing"]
    app = service.build_api(service.settings.load(ground.environment))
    gc.collect()
    gc.freeze()  # as a service's process does: what was imported is not looked through again
    taken: defaultdict[str, list[float]] = defaultdict(list)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://kontor/v1",
            headers=issuer().headers(),
            timeout=60,
        ) as client,
    ):
        kinds = list(_KINDS.items())
        for turn in range(-2 * len(kinds), asked):  # the first of each kind warm up
            kind, make = kinds[turn % len(kinds)]
            parameters = make(archive)
            started = time.perf_counter()
            answer = await client.get("/invoices", params=parameters)
            ms = (time.perf_counter() - started) * 1_000
            answer.raise_for_status()
            if turn >= 0:
                taken[kind].append(ms)
                advance()
    return taken


# -- what people ask for -----------------------------------------------------------------------

_Ask = Callable[[_Archive], dict[str, Any]]
_SORTS = ("-date", "date", "-number", "customer", "-customer", "amount", "-amount", "due", "-due")


def _list(archive: _Archive) -> dict[str, Any]:
    return {"sort": archive.chance.choice(_SORTS)}


def _of_state(archive: _Archive) -> dict[str, Any]:
    states = ("draft", "open", "paid", "void", "credited")
    return {**_list(archive), "state": archive.chance.choice(states)}


def _owing(archive: _Archive) -> dict[str, Any]:
    return {**_list(archive), "state": archive.chance.choice(("overdue", "partly_paid"))}


def _in_currency(archive: _Archive) -> dict[str, Any]:
    return {**_list(archive), "currency": archive.chance.choice(("CHF", "EUR", "USD"))}


def _between(archive: _Archive) -> dict[str, Any]:
    first = _FIRST_DAY + timedelta(days=archive.chance.randrange(archive.days))
    days = timedelta(days=archive.chance.choice((0, 7, 31, 365)))
    return {"from": str(first), "to": str(first + days), **_list(archive)}


def _deep(archive: _Archive) -> dict[str, Any]:
    ident = str(new_id())
    day = _FIRST_DAY + timedelta(days=archive.chance.randrange(archive.days))
    name = archive.chance.choice(archive.customers)[1]["company_name"].lower()
    places: dict[str, list[Any]] = {
        "date": [day, "013INV", ident],
        "due": [day, ident],
        "amount": [archive.chance.randrange(10_000_000), ident],
        "customer": [name, ident],
    }
    sort = archive.chance.choice(list(places))
    way = archive.chance.choice(("", "-"))
    return {"sort": way + sort, "after": cursor_of(places[sort])}


def _of_customer(archive: _Archive) -> dict[str, Any]:
    return {**_list(archive), "customer_id": str(archive.chance.choice(archive.customers)[0])}


def _search_customer(archive: _Archive) -> dict[str, Any]:
    state = archive.chance.choice(archive.customers)[1]
    return {"q": state["company_name"] or state["contact_name"]}


def _search_title(archive: _Archive) -> dict[str, Any]:
    state = archive.chance.choice(("", "open", "void"))
    return {"q": archive.chance.choice(_TITLES), **({"state": state} if state else {})}


def _search_number(archive: _Archive) -> dict[str, Any]:
    return {"q": str(archive.chance.randrange(archive.stored))}


_KINDS: dict[str, _Ask] = {
    "list": _list,
    "of a state": _of_state,
    "owing": _owing,
    "in a currency": _in_currency,
    "between dates": _between,
    "deep page": _deep,
    "of a customer": _of_customer,
    "search a customer": _search_customer,
    "search a title": _search_title,
    "search a number": _search_number,
}
