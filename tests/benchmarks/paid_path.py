"""The paid path: a backlog of `invoice.paid` becomes active subscriptions; the relay alone."""

import json
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.events.billing import INVOICES, InvoicedLine, InvoicePaid
from shared.events.subscriptions import SUBSCRIPTIONS
from shared.messaging.outbox import SHARDS, shard_of
from shared.money import Money
from tests.benchmarks.harness import Arena, Benchmark, arena, count_until, process
from tests.benchmarks.stored import NOW, fill_bookings
from tests.servers import TestServers

__all__ = ["BACKLOG", "RELAY", "send_paid"]

_BACKLOG = 20_000
_OUTBOX = 60_000


async def send_paid(ground: Arena, waiting: list[tuple[UUID, UUID, UUID]]) -> None:
    """Put an `invoice.paid` for each of them on the topic."""
    producer = AIOKafkaProducer(
        bootstrap_servers=ground.servers.kafka_bootstrap, acks="all", linger_ms=5
    )
    async with producer:
        futures = []
        for customer, subscription, request in waiting:
            event = InvoicePaid(
                customer_id=customer,
                invoice_id=uuid4(),
                version=2,
                number="INV-2026-0001",
                lines=(
                    InvoicedLine(
                        position=1,
                        title="Plan Team",
                        total=Money(4900, "CHF"),
                        subscription_id=subscription,
                        request_id=request,
                        basis="net",
                        vat_percent=Decimal("8.1"),
                    ),
                ),
                settlement=1,
                paid_at=NOW,
                total=Money(5295, "CHF"),
            )
            headers = {
                "ce_specversion": "1.0",
                "ce_id": str(uuid4()),
                "ce_type": event.TYPE,
                "ce_source": "kontor/billing",
                "ce_time": NOW.isoformat(),
                "ce_sequence": "2",
                "ce_correlationid": str(uuid4()),
            }
            futures.append(
                await producer.send(
                    f"{ground.prefix}{INVOICES.name}",
                    event.model_dump_json().encode(),
                    key=event.key.encode(),
                    headers=[(k, v.encode()) for k, v in headers.items()],
                )
            )
        for future in futures:
            await future


async def _activated_per_second(servers: TestServers, *command: str, floor: bool) -> float:
    async with arena(servers) as ground:
        database = ground.databases["subscriptions"]
        await send_paid(ground, await fill_bookings(database, _BACKLOG))
        arguments = [database, servers.kafka_bootstrap, ground.prefix] if floor else []
        with process(*command, *arguments, environment=ground.environment):
            first, last = await count_until(
                servers, f"{ground.prefix}{SUBSCRIPTIONS.name}", _BACKLOG
            )
        return _BACKLOG / (last - first)


async def _system(servers: TestServers) -> float:
    return await _activated_per_second(
        servers, "-m", "services.subscriptions", "worker", "relay", floor=False
    )


async def _floor(servers: TestServers) -> float:
    return await _activated_per_second(
        servers, "-m", "tests.benchmarks.floors.activate", floor=True
    )


BACKLOG = Benchmark(
    metric="paid_to_active_throughput",
    unit="activations/s",
    system=_system,
    floor=_floor,
    conditions=f"backlog of {_BACKLOG}, one worker process with its relay, 6 partitions",
    at_least=0.5,
)


async def _relayed_per_second(servers: TestServers, *command: str, floor: bool) -> float:
    async with arena(servers) as ground:
        database = ground.databases["subscriptions"]
        connection = await asyncpg.connect(database)
        topic, body = "subscriptions.subscriptions.v1", b"x" * 400
        headers = json.dumps({"ce_id": str(uuid4()), "ce_type": "subscription.activated"})
        keys = [str(uuid4()) for _ in range(2_000)]
        await connection.copy_records_to_table(
            "outbox",
            columns=[
                "event_id", "aggregatetype", "aggregateid", "type", "payload", "headers", "shard",
            ],
            records=[
                (uuid4(), topic, key, "subscription.activated", body, headers, shard_of(key))
                for key in (keys[i % len(keys)] for i in range(_OUTBOX))
            ],
        )  # fmt: skip
        await connection.execute("VACUUM ANALYZE outbox")
        await connection.close()
        arguments = [database, servers.kafka_bootstrap, ground.prefix] if floor else []
        with process(*command, *arguments, environment=ground.environment):
            first, last = await count_until(servers, f"{ground.prefix}{topic}", _OUTBOX)
        return _OUTBOX / (last - first)


async def _relay_system(servers: TestServers) -> float:
    return await _relayed_per_second(servers, "-m", "services.subscriptions", "relay", floor=False)


async def _relay_floor(servers: TestServers) -> float:
    return await _relayed_per_second(servers, "-m", "tests.benchmarks.floors.relay", floor=True)


RELAY = Benchmark(
    metric="relay",
    unit="events/s",
    system=_relay_system,
    floor=_relay_floor,
    conditions=f"{_OUTBOX} rows of 400 bytes, 2,000 keys, {SHARDS} shards",
    at_least=0.8,
)
