"""Steps and looks that several integration tests share."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self
from unittest.mock import patch
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.clock import new_id
from shared.database import Database
from shared.events import Event, Topic
from shared.events.billing import InvoicedLine, InvoiceOpened, InvoicePaid
from shared.events.customers import CustomerCreated
from shared.events.subscriptions import InvoiceRequested, RequestedLine
from shared.messaging import relay
from shared.money import Money
from tests.builders import MODULES, PLANS, customer
from tests.system import System, eventually

__all__ = [
    "FAR",
    "Sent",
    "Watch",
    "attributes",
    "book_modules",
    "book_plan",
    "customer_created",
    "database_of",
    "day",
    "in_state",
    "invoice_opened",
    "invoice_paid",
    "invoice_requested",
    "new_customer",
    "no_failure",
    "paid",
    "send_all",
    "stored",
]

FAR = datetime(2031, 3, 15, 12, tzinfo=UTC)
"""An instant whose due work is not due while a test runs."""

# -- through the API ---------------------------------------------------------------------------


async def new_customer(system: System, **different: Any) -> Any:
    """A customer that every service knows."""
    made = await system.post("/customers", customer(**different))
    await system.known(made["id"])
    return made


async def book_plan(system: System, customer_id: str, plan: str, cycle: str = "monthly") -> Any:
    return await system.post(
        f"/customers/{customer_id}/plan-actions",
        {"action": "make_invoice", "plan_id": PLANS[plan], "cycle": cycle},
    )


async def book_modules(system: System, customer_id: str, **cycles: str) -> Any:
    """Book modules on one invoice: name -> cycle."""
    return await system.post(
        f"/customers/{customer_id}/module-actions",
        {
            "actions": [
                {"action": "make_invoice", "module_id": MODULES[name], "cycle": cycle}
                for name, cycle in cycles.items()
            ]
        },
    )


async def paid(system: System, invoice: Mapping[str, Any]) -> Any:
    """Pay what is open."""
    return await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": invoice["open_amount"]}
    )


async def in_state(system: System, subscription_id: str, state: str) -> dict[str, Any]:
    """Wait for a subscription to be in a state."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await system.get(f"/subscriptions/{subscription_id}")
        return found if found["state"] == state else None

    return await eventually(look, f"subscription {subscription_id} to be {state}")


# -- events ------------------------------------------------------------------------------------


def customer_created(customer_id: UUID | None = None, **different: Any) -> CustomerCreated:
    fields: dict[str, Any] = {
        "customer_id": customer_id or new_id(),
        "version": 1,
        "number": "K-1",
        "company_name": "Musterhotel AG",
        "contact_name": "Vera Beispiel",
        "address_lines": ("Seestrasse 12",),
        "postcode": "3600",
        "city": "Thun",
        "country": "CH",
        "time_zone": "Europe/Zurich",
        "language": "de",
        "currency": "CHF",
        "email": "vera@musterhotel.example",
        **different,
    }
    return CustomerCreated(**fields)


def invoice_requested(customer_id: UUID, **different: Any) -> InvoiceRequested:
    """A request for 1 x CHF 49.00 net, which is CHF 52.95 in Switzerland."""
    line: dict[str, Any] = {
        "subscription_id": new_id(),
        "title": "Team",
        "unit_price": "49.00",
        "basis": "net",
        "vat_category": "standard",
        "cycle": "monthly",
        **different.pop("line", {}),
    }
    fields: dict[str, Any] = {
        "customer_id": customer_id,
        "request_id": new_id(),
        "reason": "booking",
        "title": "Team",
        "currency": "CHF",
        "lines": (RequestedLine(**line),),
        "expected_total": Money(5295, "CHF"),
        **different,
    }
    return InvoiceRequested(**fields)


def invoice_paid(
    customer_id: str, booked: Mapping[str, Any], paid_at: datetime, **different: Any
) -> InvoicePaid:
    """What billing says when the invoice of a booking is paid."""
    fields: dict[str, Any] = {
        "customer_id": UUID(customer_id),
        "invoice_id": new_id(),
        "version": 2,
        "number": "INV-2031-0001",
        "lines": tuple(
            InvoicedLine(
                position=position,
                title="Team",
                total=Money(5295, "CHF"),
                subscription_id=UUID(subscription["id"]),
                request_id=UUID(booked["request_id"]),
            )
            for position, subscription in enumerate(booked["subscriptions"], 1)
        ),
        "settlement": 1,
        "paid_at": paid_at,
        "total": Money(5295, "CHF"),
        **different,
    }
    return InvoicePaid(**fields)


def invoice_opened(customer_id: UUID, **different: Any) -> InvoiceOpened:
    """An invoice without lines that no subscription asked for."""
    fields: dict[str, Any] = {
        "customer_id": customer_id,
        "invoice_id": new_id(),
        "version": 1,
        "number": "INV-2031-0001",
        "lines": (),
        "title": "Team",
        "language": "de",
        "invoice_date": FAR.date(),
        "due_date": FAR.date(),
        "total": Money(5295, "CHF"),
        "open_amount": Money(5295, "CHF"),
        **different,
    }
    return InvoiceOpened(**fields)


def attributes(event_type: str, **different: str) -> dict[str, str]:
    """The headers of an event."""
    given = {"ce_specversion": "1.0", "ce_id": str(new_id()), "ce_type": event_type, **different}
    return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Sent:
    """A record for a topic, whatever is wrong with it."""

    key: str
    value: bytes | None
    headers: dict[str, str]

    @classmethod
    def of(cls, event: Event, **different: str) -> Self:
        return cls(event.key, event.model_dump_json().encode(), attributes(event.TYPE, **different))


async def send_all(system: System, topic: Topic, records: Sequence[Sent]) -> None:
    """Put records on one partition of a topic, so that they come in this order."""
    producer = AIOKafkaProducer(bootstrap_servers=system.servers.kafka_bootstrap, linger_ms=20)
    async with producer:
        sent = [
            await producer.send(
                f"{system.prefix}{topic.name}",
                record.value,
                key=record.key.encode(),
                headers=[(name, text.encode()) for name, text in record.headers.items()],
                partition=0,
            )
            for record in records
        ]
        await asyncio.gather(*sent)


def day(text: str) -> date:
    return date.fromisoformat(text)


# -- databases ---------------------------------------------------------------------------------


async def stored(system: System, service: str, query: str, *arguments: Any) -> list[Any]:
    """Rows as tuples."""
    return [tuple(row) for row in await system.rows(service, query, *arguments)]


async def no_failure(system: System, service: str, key: str) -> None:
    """Nothing of this key is a dead letter or parked."""
    for table in ("dead_letters", "parked_messages"):
        query = f"SELECT * FROM {table} WHERE key = $1"  # noqa: S608 - one of these tables
        assert await stored(system, service, query, key) == []


@asynccontextmanager
async def database_of(system: System, service: str) -> AsyncIterator[Database]:
    """A pool for a service's database, to drive a use case with a time of one's own."""
    database = Database(system.databases[service], 4)
    try:
        yield database
    finally:
        await database.close()


class Watch:
    """Sees every change in the databases of a system. Enter it once, use it often."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._connections: dict[str, Any] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for service, url in self._system.databases.items():
            connection: Any = await asyncpg.connect(url)
            self._stack.push_async_callback(connection.close)
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            )
            digests = [
                f"SELECT '{service}.{name}', count(*), "  # noqa: S608 - a table's name
                f"md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"
                for (name,) in tables
            ]
            self._connections[" UNION ALL ".join(digests)] = connection
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def contents(self) -> dict[str, tuple[int, str]]:
        """Number of rows and digest of each table."""
        return {
            name: (count, digest)
            for query, connection in self._connections.items()
            for name, count, digest in await connection.fetch(query)
        }

    async def _all_still(self) -> bool | None:
        for connection in self._connections.values():
            if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM outbox)"):
                return None
        # A new installation makes its signing key in its first moments.
        return bool(await self._system.rows("identity", "SELECT 1 FROM signing_keys")) or None

    @asynccontextmanager
    async def nothing_changes(self) -> AsyncIterator[None]:
        """Fail when anything in any database is different at the end.

        The relays stand still meanwhile: what somebody writes to an outbox stays and is seen.
        """
        await eventually(self._all_still, "nothing to be under way")
        with patch.object(relay, "_ANY", "SELECT $1 < 0"):
            before = await self.contents()
            yield
            after = await self.contents()
        changed = {name: (was, after[name]) for name, was in before.items() if after[name] != was}
        assert not changed, f"(rows, digest) before and after: {changed}"
