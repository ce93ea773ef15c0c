"""From the answer of the payment API to the entitlement that everybody can see."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from uuid import UUID

import asyncpg
import httpx

from tests.benchmarks.harness import Arena, Benchmark, arena, free_port, process
from tests.benchmarks.stored import fill_bookings, fill_invoices
from tests.servers import TestServers
from tests.system import eventually
from tests.tokens import issuer

__all__ = ["LATENCY"]

_PER_SECOND = 40
_PAYMENTS = 800
_WARM_UP = 80
_LIMIT_S = 60.0
# What is committed is visible: PostgreSQL says so itself, to system and floor alike.
_TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('visible', NEW.customer_id::text); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON entitlements FOR EACH ROW EXECUTE FUNCTION tell();
"""


@asynccontextmanager
async def _visible(database: str) -> AsyncIterator[dict[UUID, float]]:
    """When the entitlements of each customer were there."""
    seen: dict[UUID, float] = {}

    def told(_connection: object, _pid: int, _channel: str, customer_id: object) -> None:
        seen.setdefault(UUID(str(customer_id)), time.perf_counter())

    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_TELL)
        await connection.add_listener("visible", told)
        yield seen
    finally:
        await connection.close()


async def _pay(api: httpx.AsyncClient, invoices: Mapping[UUID, UUID]) -> dict[UUID, float]:
    """Pay at a steady rate, whether answers are late or not; returns when each was answered."""
    answered: dict[UUID, float] = {}
    started = time.perf_counter()

    async def pay(position: int, customer: UUID, invoice: UUID) -> None:
        await asyncio.sleep(started + position / _PER_SECOND - time.perf_counter())
        answer = await api.post(
            f"/v1/invoices/{invoice}/payments",
            json={"amount": {"amount": "52.95", "currency": "CHF"}},
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        answered[customer] = time.perf_counter()

    async with asyncio.TaskGroup() as group:
        for position, (customer, invoice) in enumerate(invoices.items()):
            group.create_task(pay(position, customer, invoice))
    return answered


async def _p99_ms(ground: Arena, port: int) -> float:
    waiting = await fill_bookings(ground.databases["subscriptions"], _PAYMENTS + _WARM_UP)
    invoices = list((await fill_invoices(ground.databases["billing"], waiting)).items())
    async with (
        _visible(ground.databases["subscriptions"]) as seen,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=_LIMIT_S, headers=issuer().headers()
        ) as api,
    ):

        async def ready() -> bool | None:
            with suppress(httpx.TransportError):
                return (await api.get("/v1/billing/health")).is_success or None
            return None

        async def all_seen(count: int) -> bool | None:
            return len(seen) >= count or None

        await eventually(ready, "the API", limit_s=_LIMIT_S)
        await _pay(api, dict(invoices[:_WARM_UP]))
        await eventually(partial(all_seen, _WARM_UP), "the first ones", limit_s=_LIMIT_S)
        answered = await _pay(api, dict(invoices[_WARM_UP:]))
        await eventually(partial(all_seen, len(invoices)), "all of them", limit_s=_LIMIT_S)
    late = [max(0.0, seen[customer] - at) * 1000 for customer, at in answered.items()]
    return statistics.quantiles(late, n=100)[98]


async def _system(servers: TestServers) -> float:
    async with arena(servers) as ground:
        port = free_port()
        environment = {**ground.environment, "KONTOR_BILLING_API_PORT": str(port)}
        with ExitStack() as processes:
            for service, *roles in (
                ("billing", "api", "relay"),
                ("subscriptions", "worker", "relay"),
            ):
                command = ("-m", f"services.{service}", *roles)
                processes.enter_context(process(*command, environment=environment))
            return await _p99_ms(ground, port)


async def _floor(servers: TestServers) -> float:
    async with arena(servers) as ground:
        port = free_port()
        with ExitStack() as processes:
            for database, name, *more in (
                ("billing", "pay", str(port)),
                ("subscriptions", "activate"),
            ):
                command = (
                    *("-m", f"tests.benchmarks.floors.{name}"),
                    *(ground.databases[database], servers.kafka_bootstrap, ground.prefix, *more),
                )
                processes.enter_context(process(*command, environment=ground.environment))
            return await _p99_ms(ground, port)


LATENCY = Benchmark(
    metric="paid_to_active_latency_p99",
    unit="ms",
    system=_system,
    floor=_floor,
    conditions=f"{_PAYMENTS} payments at {_PER_SECOND}/s over HTTP, two processes each",
    at_least=2.0,
    lower_is_better=True,
)
