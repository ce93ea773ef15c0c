"""The database is away, or a connection is lost at its commit: 503, and never a false 2xx."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from shared.events.subscriptions import INVOICE_REQUESTS
from shared.messaging.batch import Unsettled
from shared.messaging.topics import group_of
from shared.worker import Worker
from tests.faults import quiet
from tests.faults.fleet import SECONDS, meanwhile, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.wire import Wire
from tests.servers import TestServers
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(240 + 6 * SECONDS)

_CUSTOMERS = max(12, int(1.5 * SECONDS))
_AWAY_S = (0.2, 1.2)
_BACK_S = (0.3, 1.0)
_ANSWERED_WITHIN_S = 12.0


@pytest.fixture(scope="module")
async def wires(databases: dict[str, str]) -> AsyncIterator[dict[str, Wire]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(Wire(url)) for name, url in databases.items()}


@pytest.fixture(scope="module")
async def system(
    servers: TestServers,
    databases: dict[str, str],
    wires: dict[str, Wire],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """The product uses the wires, and the test looks past them."""
    built = System(servers, databases, tmp_path_factory.mktemp("documents"), run_workers=False)
    built.environment["KONTOR_SESSION_TIMEOUT_MS"] = "3000"
    for name, wire in wires.items():
        built.environment[f"KONTOR_{name.upper()}_DATABASE_URL"] = wire.url
    async with built as running:
        yield running


class Insistent(httpx.AsyncBaseTransport):
    """Repeats a write with its key until it is answered for good, as a careful client does.

    Attributes:
        statuses: of all answers, also those in between.
        payments: the ids that 2xx answers have promised.
    """

    def __init__(self, api: httpx.AsyncBaseTransport) -> None:
        self._api = api
        self.statuses: Counter[int] = Counter()
        self.payments: set[UUID] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            request.headers.setdefault("idempotency-key", str(uuid4()))
        while True:
            answer = await self._api.handle_async_request(request)
            await answer.aread()
            self.statuses[answer.status_code] += 1
            if answer.status_code == 409:  # what was cut off has not ended yet over there
                code = answer.json()["type"]
                repeated = f"repeated, and done a second time: {answer.text}"
                assert code == "urn:kontor:problem:request_in_flight", repeated
            elif answer.status_code == 503:
                _is_unavailable(answer)
            else:
                break
            await asyncio.sleep(0.05)
        if answer.is_success and request.method == "POST":
            payment = answer.json().get("payment")
            self.payments |= {UUID(payment["id"])} if payment else set()
        return answer


def _is_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, f"{answer.url}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["type"] == "urn:kontor:problem:unavailable", answer.text
    assert answer.headers["retry-after"]


@pytest.fixture
async def plain(system: System) -> httpx.AsyncClient:
    """A client that takes the first answer."""
    return system.api


@pytest.fixture
async def insistent(
    system: System, plain: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> Insistent:
    """Makes the journeys of a test insist: the first call after a loss may meet it still."""
    transport = Insistent(plain._transport)
    client = httpx.AsyncClient(transport=transport, base_url=plain.base_url, headers=plain.headers)
    monkeypatch.setattr(system, "api", client)
    return transport


# First: a connection that was lost before would be made anew here, which has its own limit.
async def test_a_database_that_does_not_answer_is_a_503_too(
    system: System, wires: dict[str, Wire], plain: httpx.AsyncClient, insistent: Insistent
) -> None:
    wire = wires["billing"]
    async with Journeys(system, seeded("hanging")) as journeys:
        async with working(system):
            customer, *_ = await journeys.customers(1)
            booked = await journeys.book(customer, "plan")
            invoice = await journeys.invoice_of(booked)
        path = f"/invoices/{invoice['id']}/payments"
        wire.hang()
        try:
            answer = await _pay(plain, path, invoice)
        finally:
            await wire.mend()
        _is_unavailable(answer)


async def test_what_is_repeated_until_it_is_answered_is_done_once(
    system: System, wires: dict[str, Wire], insistent: Insistent
) -> None:
    chance = seeded("database unreachable")
    losses: Counter[str] = Counter()

    async def storm(name: str) -> None:
        while True:
            await asyncio.sleep(chance.uniform(*_BACK_S))
            losses[await _lose(wires[name], chance)] += 1

    async with working(system), Journeys(system, chance) as journeys:
        customers = await journeys.customers(_CUSTOMERS)
        async with meanwhile(*(storm(name) for name in wires)):
            await journeys.run(customers, seconds=SECONDS)
        for wire in wires.values():
            await wire.mend()
        await _end_leases(system)
        # A sender whose result could not be written sends the same mail again.
        await verify(system, promised=journeys.promised, mails_may_repeat=True)

    assert losses.keys() == {"cut", "before", "after"}, losses
    assert insistent.statuses[503], "no request met a broken wire: the test has shown nothing"
    assert set(insistent.statuses) <= {200, 201, 204, 409, 503}, insistent.statuses
    # A provider is not told the id of the payment; `verify` has counted what it sent.
    query = "SELECT id FROM payments WHERE arrival_id IS NULL"
    stored = {row["id"] for row in await system.rows("billing", query)}
    assert stored == insistent.payments, "payments that were not answered, or answered only"
    query = "SELECT id FROM subscriptions WHERE customer_id = ANY($1::uuid[])"
    rows = await system.rows("subscriptions", query, customers)
    assert {str(row["id"]) for row in rows} == journeys.promised.keys(), "bookings"


async def _end_leases(system: System) -> None:
    """Let the time pass for which work stays claimed whose result could not be written."""
    for service, table in (("billing", "documents"), ("notifier", "deliveries")):
        await system.rows(service, f"UPDATE {table} SET next_at = now() WHERE state = 'due'")  # noqa: S608 - names from here


async def _lose(wire: Wire, chance: random.Random) -> str:
    """Cut for a while, or lose the next commit; tells which."""
    what = chance.choice(["cut", "before", "after"])
    if what == "cut":
        wire.cut()
        await asyncio.sleep(chance.uniform(*_AWAY_S))
        await wire.mend()
    else:
        wire.lose_at_commit("before" if what == "before" else "after")
        await wire.lost.wait()
    return what


async def test_a_payment_that_meets_a_lost_database_is_refused_and_can_be_repeated(
    system: System, wires: dict[str, Wire], plain: httpx.AsyncClient, insistent: Insistent
) -> None:
    losses = ("refused", "before", "after")
    async with Journeys(system, seeded("lost database")) as journeys:
        async with working(system):
            customers = await journeys.customers(len(losses))
            booked = [await journeys.book(customer, "plan") for customer in customers]
            invoices = [await journeys.invoice_of(booking) for booking in booked]
            await quiet.quiet(system)
        # From here on the API is the only one that commits there.
        for loss, invoice in zip(losses, invoices, strict=True):
            await _refused(system, wires["billing"], plain, invoice, loss)
        journeys.promised |= {s["id"]: "active" for b in booked for s in b["subscriptions"]}
        async with working(system):
            await verify(system, promised=journeys.promised, mails_may_repeat=True)


async def _refused(
    system: System, wire: Wire, plain: httpx.AsyncClient, invoice: Any, loss: str
) -> None:
    """Lose the database over a payment, then repeat it."""
    path = f"/invoices/{invoice['id']}/payments"
    if loss == "refused":
        wire.cut()
    else:
        wire.lose_at_commit("before" if loss == "before" else "after")
    refused = await _pay(plain, path, invoice)
    _is_unavailable(refused)
    if loss == "refused":
        for looked in (path, f"/invoices/{invoice['id']}", "/billing/health"):
            _is_unavailable(await plain.get(looked))
    query = "SELECT id FROM payments WHERE invoice_id = $1"
    done = await system.rows("billing", query, invoice["id"])
    assert len(done) == (loss == "after"), "what was lost is not what was to be lost"

    await wire.mend()
    answer = await _pay(system.api, path, invoice)
    assert answer.status_code == 201, answer.text
    assert ("idempotent-replayed" in answer.headers) == (loss == "after")
    assert len(await system.rows("billing", query, invoice["id"])) == 1


async def _pay(api: httpx.AsyncClient, path: str, invoice: Any) -> httpx.Response:
    body = {"amount": invoice["open_amount"]}
    headers = {"idempotency-key": f"pay {invoice['id']}"}
    async with asyncio.timeout(_ANSWERED_WITHIN_S):
        return await api.post(path, json=body, headers=headers)


async def test_no_offset_passes_what_could_not_be_written(
    system: System, wires: dict[str, Wire], insistent: Insistent
) -> None:
    gave_up: Counter[str] = Counter()

    def impatient(worker: Worker) -> None:
        """Batches go back to the topic after a second, not after a minute."""
        usual = worker.processors

        def processors() -> list[Any]:
            found = [replace(one, transient_limit_s=1.0) for one in usual()]
            for one in found:
                one.process = _counting(one.process, gave_up, one.name)  # type: ignore[method-assign]
            return found

        worker.processors = processors  # type: ignore[method-assign]

    group = group_of("billing", INVOICE_REQUESTS)
    async with (
        working(system, changed=impatient),
        Journeys(system, seeded("offsets")) as journeys,
    ):
        customers = await journeys.customers(_CUSTOMERS)
        await quiet.quiet(system)
        wires["billing"].cut()
        booked = [await journeys.book(customer, "plan") for customer in customers]

        async def gave_up_twice() -> bool | None:
            return gave_up[group] >= 2 or None

        await eventually(gave_up_twice, "batches to be given back")
        assert await _unread(system, group) == len(booked), "offsets passed unwritten work"
        await wires["billing"].mend()
        for booking in booked:
            await journeys.settle(booking, "paid")
        await verify(system, promised=journeys.promised, mails_may_repeat=True)


def _counting(process: Any, gave_up: Counter[str], name: str) -> Any:
    async def counted(records: Any) -> None:
        try:
            await process(records)
        except Unsettled:
            gave_up[name] += 1
            raise

    return counted


async def _unread(system: System, group: str) -> int:
    """Messages that the group has not acknowledged."""
    servers = system.servers.kafka_bootstrap
    admin, reader = (
        AIOKafkaAdminClient(bootstrap_servers=servers),
        AIOKafkaConsumer(bootstrap_servers=servers),
    )
    await admin.start()
    await reader.start()
    try:
        unread, _ = await quiet._unread(system, admin, reader, [(INVOICE_REQUESTS.name, group)])
        return unread.get(group, 0)
    finally:
        await reader.stop()
        await admin.close()
