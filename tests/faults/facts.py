"""Everything the oracle looks at, read from outside: databases and topics."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from shared.events import Event, Topic, topics
from shared.events.billing import INVOICES
from shared.events.customers import CUSTOMERS
from shared.events.notifier import DELIVERIES
from shared.events.subscriptions import ENTITLEMENTS, INVOICE_REQUESTS, SUBSCRIPTIONS
from tests.system import System

__all__ = ["INNOCENT_HEADER", "POISON_HEADER", "Facts", "Told", "read_facts", "told"]

POISON_HEADER = "test_poison"
"""Records with this header are a test's own broken ones; nobody promised anything by them."""
INNOCENT_HEADER = "test_innocent"
"""Unless they have this one too: a true message, to which a test lets the handler raise."""


@dataclass(frozen=True, slots=True)
class Told:
    """One logical event: all records with one `ce_id`."""

    event_id: str
    event: Event
    sequence: int | None
    times: int
    changed: bool


async def told(system: System, topic: Topic) -> list[Told]:
    """The distinct events of a topic, per key in the order in which they appeared first."""
    first: dict[str, tuple[Any, dict[str, str]]] = {}
    times: Counter[str] = Counter()
    changed = set()
    for record in await system.read_topic(topic.name):
        headers = {name: value.decode() for name, value in record.headers}
        if POISON_HEADER in headers and INNOCENT_HEADER not in headers:
            continue
        event_id = headers["ce_id"]
        times[event_id] += 1
        known, known_headers = first.setdefault(event_id, (record, headers))
        if (known.key, known.value, known_headers) != (record.key, record.value, headers):
            changed.add(event_id)
    return [
        Told(
            event_id,
            topics()[topic][headers["ce_type"]].model_validate_json(record.value),
            int(headers["ce_sequence"]) if "ce_sequence" in headers else None,
            times[event_id],
            event_id in changed,
        )
        for event_id, (record, headers) in first.items()
    ]


@dataclass
class Facts:
    """Everything there is to look at, read once."""

    invoices: list[asyncpg.Record]
    lines: list[asyncpg.Record]
    arrivals: list[asyncpg.Record]
    credit_notes: list[asyncpg.Record]
    balances: list[asyncpg.Record]
    postings: list[asyncpg.Record]
    offers: list[asyncpg.Record]
    subscriptions: dict[UUID, asyncpg.Record]
    periods: list[asyncpg.Record]
    entitlements: dict[UUID, asyncpg.Record]
    deliveries: list[asyncpg.Record]
    events: dict[Topic, list[Told]]
    wrong: list[str] = field(default_factory=list)

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            self.wrong.append(text)

    def of(self, topic: Topic, kind: type[Event]) -> list[Any]:
        return [t.event for t in self.events[topic] if isinstance(t.event, kind)]


async def read_facts(system: System) -> Facts:
    rows = system.rows
    subscriptions = await rows("subscriptions", "SELECT * FROM subscriptions")
    entitlements = await rows("subscriptions", "SELECT * FROM entitlements")
    return Facts(
        invoices=await rows(
            "billing",
            "SELECT i.*, coalesce((SELECT sum(amount_minor) FROM payments p "
            "WHERE p.invoice_id = i.id AND p.reversed_at IS NULL), 0)::bigint AS received "
            "FROM invoices i WHERE state <> 'draft' ORDER BY number",
        ),
        lines=await rows(
            "billing",
            "SELECT l.* FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
            "WHERE i.state <> 'draft'",
        ),
        arrivals=await rows(
            "billing",
            "SELECT a.*, coalesce((SELECT sum(amount_minor) FROM payments p "
            "WHERE p.arrival_id = a.id AND p.reversed_at IS NULL), 0)::bigint AS held_minor "
            "FROM arrivals a",
        ),
        credit_notes=await rows("billing", "SELECT * FROM credit_notes ORDER BY number"),
        balances=await rows(
            "billing",
            "SELECT b.*, (SELECT coalesce(sum(left_minor), 0)::bigint FROM balance_lots l WHERE "
            "l.customer_id = b.customer_id AND l.currency = b.currency) AS lots_minor "
            "FROM credit_balances b",
        ),
        postings=await rows(
            "billing",
            "SELECT e.customer_id, e.currency, e.invoice_id, p.* FROM balance_postings p "
            "JOIN balance_entries e ON e.id = p.entry_id",
        ),
        offers=await rows("subscriptions", "SELECT * FROM offers"),
        subscriptions={row["id"]: row for row in subscriptions},
        periods=await rows("subscriptions", "SELECT * FROM periods ORDER BY 1, 2, 3"),
        entitlements={row["customer_id"]: row for row in entitlements},
        deliveries=await rows("notifier", "SELECT * FROM deliveries"),
        events={
            topic: await told(system, topic)
            for topic in (
                CUSTOMERS,
                INVOICE_REQUESTS,
                INVOICES,
                SUBSCRIPTIONS,
                ENTITLEMENTS,
                DELIVERIES,
            )
        },
    )
