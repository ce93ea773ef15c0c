"""A consumer whose effect is not repeatable by itself: it counts what it handles.

The product's own handlers mostly are repeatable, so a message handled twice would hardly show.
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar, NoReturn

from sqlalchemy import Column, MetaData, Table, Text

from shared.clock import NewId
from shared.database import Tx, insert_rows
from shared.events import Event, topics
from shared.events.billing import INVOICES
from shared.messaging.batch import Consumer
from shared.messaging.topics import group_of
from shared.service import Service
from shared.settings import Settings
from shared.worker import Worker
from tests.faults.facts import told
from tests.system import System

__all__ = ["GROUPS", "PROBE", "SERVICE", "each_counted_once", "prepare"]

PROBE = "tests.faults.probe"
GROUPS = [(INVOICES.name, group_of("probe", INVOICES))]

_counted = Table("counted_by_probe", MetaData(), Column("event", Text))


class ProbeSettings(Settings):
    """`pause_s`: how long a batch takes it."""

    service: ClassVar[str] = "probe"

    pause_s: float = 0.0


def _label(event: Event) -> str:
    return f"{event.TYPE} {event.model_dump_json()}"


def _build_api(_settings: Any) -> NoReturn:
    raise NotImplementedError("the probe has no API")


def _build_worker(settings: ProbeSettings) -> Worker:
    async def count(tx: Tx, events: list[Event], *, now: Any, new_id: NewId) -> None:
        await insert_rows(tx, _counted, [{"event": _label(event)} for event in events])
        await asyncio.sleep(settings.pause_s)

    return Worker(settings, [Consumer(INVOICES, dict.fromkeys(topics()[INVOICES].values(), count))])


SERVICE = Service(ProbeSettings, _build_api, _build_worker)


async def prepare(system: System) -> None:
    """Give the probe a place in a database whose own service consumes nothing."""
    system.environment["KONTOR_PROBE_DATABASE_URL"] = system.databases["customers"]
    await system.rows("customers", "CREATE TABLE IF NOT EXISTS counted_by_probe (event text)")


async def each_counted_once(system: System) -> None:
    rows = await system.rows("customers", "SELECT event FROM counted_by_probe")
    counted = Counter(row["event"] for row in rows)
    events = {_label(one.event) for one in await told(system, INVOICES)}
    wrong = {label: count for label, count in counted.items() if count != 1}
    assert not wrong, f"{len(wrong)} handled more than once: {dict([*wrong.items()][:5])}"
    lost = sorted(events - counted.keys())
    assert counted.keys() == events, f"{len(lost)} not handled: {lost[:5]}"
