"""Reading and paying over HTTP with all that is around it, against FastAPI and asyncpg alone."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg

from tests.benchmarks.harness import Arena, Benchmark, arena, free_port, process
from tests.benchmarks.load import Ask, requests_per_second, until_listening
from tests.benchmarks.stored import fill_bookings, fill_invoices
from tests.servers import TestServers
from tests.tokens import issuer

__all__ = ["PAY", "READ"]

_CONNECTIONS = 32
_CUSTOMERS = 400
_READS = 8_000
_PAYMENTS = 3_000
_WARM = 400


async def _rate(ground: Arena, service: str, asks: Sequence[Ask], *, floor: bool) -> float:
    port = free_port()
    command = (
        ["-m", "tests.benchmarks.floors.api", ground.databases[service], str(port)]
        if floor
        else ["-m", f"services.{service}", "api"]
    )
    environment = ground.environment | {
        "KONTOR_API_PORT": str(port),
        # Counted as always; one client must be able to show what there is.
        "KONTOR_RATE_LIMIT": "1000000/second",
    }
    with process(*command, environment=environment):
        await until_listening(port)
        await requests_per_second(port, asks[:_WARM], connections=_CONNECTIONS)
        return await requests_per_second(port, asks[_WARM:], connections=_CONNECTIONS)


# -- reading ---------------------------------------------------------------------------------------


async def _fill_entitlements(database: str, booked: Sequence[tuple[UUID, UUID, UUID]]) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.executemany(
            "INSERT INTO entitlements (customer_id, version, data) VALUES ($1, 3, $2)",
            [(customer, json.dumps(_entitled(customer, own))) for customer, own, _ in booked],
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _entitled(customer: UUID, subscription: UUID) -> dict[str, object]:
    return {
        "customer_id": str(customer),
        "plan": {"id": str(uuid4()), "name": "Team", "subscription_id": str(subscription)},
        "modules": [
            {"id": str(uuid4()), "name": name, "subscription_id": str(uuid4())}
            for name in ("Analytics", "Archive")
        ],
        "features": {"api": True, "reports": True, "storage": "50 GB"},
        "max_users": 20,
        "over_limit": False,
        "paid_until": "2026-12-31",
        "access_until": None,
    }


async def _reads(servers: TestServers, *, floor: bool) -> float:
    async with arena(servers) as ground:
        booked = await fill_bookings(ground.databases["subscriptions"], _CUSTOMERS)
        await _fill_entitlements(ground.databases["subscriptions"], booked)
        headers = issuer().headers()
        asks = []
        for number in range((_READS + _WARM) // 2):
            customer, subscription, _ = booked[number % len(booked)]
            asks.append(Ask.of("GET", f"/v1/subscriptions/{subscription}", 200, headers))
            asks.append(Ask.of("GET", f"/v1/customers/{customer}/entitlements", 200, headers))
        return await _rate(ground, "subscriptions", asks, floor=floor)


async def _read_system(servers: TestServers) -> float:
    return await _reads(servers, floor=False)


async def _read_floor(servers: TestServers) -> float:
    return await _reads(servers, floor=True)


READ = Benchmark(
    metric="api_read",
    unit="requests/s",
    system=_read_system,
    floor=_read_floor,
    conditions=f"GET subscription and entitlements in turn, {_CONNECTIONS} connections, one "
    "process, token verified and remembered, rate counted",
    at_least=0.6,
)

# -- paying ----------------------------------------------------------------------------------------


async def _payments(servers: TestServers, *, floor: bool) -> float:
    async with arena(servers) as ground:
        booked = [(uuid4(), uuid4(), uuid4()) for _ in range(_CUSTOMERS)]
        # So large that no payment here settles one.
        filled = await fill_invoices(ground.databases["billing"], booked, times=1_000)
        invoices = list(filled.values())
        headers = issuer().headers()
        body = json.dumps(
            {"amount": {"amount": "0.01", "currency": "CHF"}, "reference": "ebill 4711"}
        ).encode()
        asks = [
            Ask.of(
                "POST",
                f"/v1/invoices/{invoices[number % len(invoices)]}/payments",
                201,
                {**headers, "idempotency-key": str(uuid4())},
                body,
            )
            for number in range(_PAYMENTS + _WARM)
        ]
        return await _rate(ground, "billing", asks, floor=floor)


async def _pay_system(servers: TestServers) -> float:
    return await _payments(servers, floor=False)


async def _pay_floor(servers: TestServers) -> float:
    return await _payments(servers, floor=True)


PAY = Benchmark(
    metric="api_pay",
    unit="requests/s",
    system=_pay_system,
    floor=_pay_floor,
    conditions=f"POST part payment, {_CUSTOMERS} invoices, {_CONNECTIONS} connections, one "
    "process; rows: payment, invoice, audit, outbox, idempotency key",
    at_least=0.5,
)
