"""Batches, waves, parking, dead letters, the relay, wake-ups and due work: shared machinery."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from services.notifier import tables as notifier_tables
from shared.clock import NewId, new_id
from shared.database import Database, Tx
from shared.due_work import claim_due, finish, held
from shared.events import Event
from shared.events.customers import CUSTOMERS, CustomerCreated, CustomerUpdated
from shared.messaging.batch import BatchProcessor, Consumer, Unsettled, Waiting
from shared.messaging.dead_letters import dead_letter_topic
from shared.messaging.outbox import publish, shard_of
from shared.messaging.relay import _LOCK_CLASS, Relay
from shared.messaging.wakeup import Wakeup
from tests.integration.steps import attributes, customer_created, database_of
from tests.servers import TestServers
from tests.system import System, eventually

NOW = datetime(2031, 3, 15, 12, tzinfo=UTC)
GROUP = "billing.customers.customers.v1"


@pytest.fixture(scope="module")
async def system(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """Topics and databases, but nobody who works: that is what the tests do themselves."""
    folder = tmp_path_factory.mktemp("documents")
    async with System(servers, databases, folder, run_workers=False) as running:
        yield running


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        async with database.transaction() as tx:
            await tx.execute(text("CREATE TABLE notes (id bigserial, key text, note text)"))
        yield database


@pytest.fixture(autouse=True)
async def clean(system: System, database: Database) -> None:
    async with database.transaction() as tx:
        for table in ("notes", "inbox", "outbox", "parked_messages", "dead_letters"):
            await tx.execute(text(f"TRUNCATE {table}"))


# -- batches -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """What aiokafka hands over."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    partition: int = 0
    offset: int = field(default_factory=itertools.count().__next__)


def record(event: Event, **different: str) -> Record:
    headers = attributes(event.TYPE, **different)
    return Record(
        event.key.encode(),
        event.model_dump_json().encode(),
        [(name, value.encode()) for name, value in headers.items()],
    )


def named(key: UUID, note: str, *, updated: bool = False) -> Event:
    """An event with a name that the tests recognise."""
    event = customer_created(key, company_name=note)
    return CustomerUpdated(**event.model_dump()) if updated else event


class Refused(Exception):
    pass


class Notes:
    """Handlers that write down what they get.

    Attributes:
        calls: the notes of each call, whether it was committed or not.
        hold: keys that have to wait.
        fail: notes that raise, with what.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.calls: list[list[str]] = []
        self.hold: set[UUID] = set()
        self.fail: dict[str, Exception] = {}
        self.committed: list[int] = []
        self.now = NOW

    async def handle(self, tx: Tx, events: Any, *, now: Any, new_id: NewId) -> Waiting:  # noqa: ARG002
        self.calls.append([event.company_name for event in events])
        keys = [event.customer_id for event in events]
        assert len(set(keys)) == len(keys), "a handler gets one message per key"
        taken = [event for event in events if event.customer_id not in self.hold]
        for event in taken:
            await tx.execute(
                text("INSERT INTO notes (key, note) VALUES (:key, :note)"),
                {"key": str(event.customer_id), "note": event.company_name},
            )
        for event in taken:
            if event.company_name in self.fail:
                self.committed.append(len(await self.notes()))
                raise self.fail[event.company_name]
        return {key for key in keys if key in self.hold}

    async def notes(self, key: UUID | None = None) -> list[str]:
        """What was handled and committed, in order."""
        query = "SELECT note FROM notes WHERE :key IN ('', key) ORDER BY id"
        async with self._database.reading() as tx:
            return list((await tx.execute(text(query), {"key": str(key or "")})).scalars())

    def processor(self, **different: Any) -> BatchProcessor:
        return BatchProcessor(
            name=GROUP,
            consumer=Consumer(
                CUSTOMERS, {CustomerCreated: self.handle, CustomerUpdated: self.handle}
            ),
            database=self._database,
            clock=lambda: self.now,
            new_id=new_id,
            **{"retry_pauses_s": (0.01, 0.01), **different},
        )


@pytest.fixture
def notes(database: Database) -> Notes:
    return Notes(database)


async def rows(database: Database, query: str) -> list[Any]:
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_waves_keep_the_order_of_each_key_whatever_the_types(notes: Notes) -> None:
    keys = [new_id() for _ in range(7)]
    source = random.Random(7)  # noqa: S311 - repeatable shuffling
    turns = [key for key in keys for _ in range(9)]
    source.shuffle(turns)
    wanted: dict[UUID, list[str]] = {key: [] for key in keys}
    batch = []
    for number, key in enumerate(turns):
        wanted[key].append(f"note {number}")
        batch.append(record(named(key, f"note {number}", updated=source.random() < 0.5)))
    await notes.processor().process(batch)
    assert {key: await notes.notes(key) for key in keys} == wanted
    # As few calls as there can be: one per wave and type.
    assert len(notes.calls) <= 2 * 9


async def test_a_message_that_comes_twice_counts_once(database: Database, notes: Notes) -> None:
    key, other = new_id(), new_id()
    same = str(new_id())
    first = record(named(key, "first"), ce_id=same)
    again = record(named(key, "again"), ce_id=same)
    elsewhere = record(named(other, "elsewhere"), ce_id=same)
    processor = notes.processor()
    await processor.process([first, again, first, elsewhere, record(named(key, "second"))])
    await processor.process([again, first])
    assert await notes.notes() == ["first", "second"]
    assert (
        await rows(database, "SELECT 1 FROM dead_letters UNION SELECT 1 FROM parked_messages") == []
    )


async def test_two_workers_with_the_same_batch_have_one_effect(notes: Notes) -> None:
    batch = [record(named(new_id(), f"note {n}")) for n in range(40)]
    workers = [notes.processor() for _ in range(3)]
    await asyncio.gather(*(worker.process(batch) for worker in workers))
    assert sorted(await notes.notes()) == sorted(f"note {n}" for n in range(40))


async def test_what_has_to_wait_holds_its_key_and_comes_in_order(
    database: Database, notes: Notes
) -> None:
    held, free = new_id(), new_id()
    notes.hold = {held}
    processor = notes.processor()
    await processor.process(
        [
            record(named(held, "one")),
            record(named(free, "a")),
            record(named(held, "two", updated=True)),
            record(named(free, "b")),
        ]
    )
    notes.hold = set()
    # The reason to wait is gone, but what waits goes first.
    await processor.process([record(named(held, "three")), record(named(free, "c"))])
    assert await notes.notes() == ["a", "b", "c"]
    assert await rows(database, "SELECT count(*) FROM parked_messages") == [(3,)]

    notes.now += timedelta(minutes=1)
    assert await processor.release_parked()
    assert await notes.notes(held) == ["one", "two", "three"]
    assert not await processor.release_parked()
    await processor.process([record(named(held, "four"))])
    assert await notes.notes(held) == ["one", "two", "three", "four"]
    assert await rows(database, "SELECT 1 FROM parked_messages") == []


async def test_what_still_has_to_wait_is_tried_less_and_less_often(
    database: Database, notes: Notes
) -> None:
    held = new_id()
    notes.hold = {held}
    processor = notes.processor()
    await processor.process([record(named(held, "one")), record(named(held, "two"))])
    assert not await processor.release_parked()  # not due yet
    pauses = []
    for _ in range(8):
        ((next_at,),) = await rows(database, "SELECT min(next_at) FROM parked_messages")
        pauses.append((next_at - notes.now).total_seconds())
        notes.now = next_at
        assert await processor.release_parked()
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.25, 10.0)
    assert await rows(database, "SELECT count(*) FROM parked_messages") == [(2,)]
    assert await rows(database, "SELECT 1 FROM inbox") == []


@pytest.mark.parametrize("how", ["broken", "failing"])
async def test_a_dead_letter_does_not_block_its_key(
    database: Database, notes: Notes, how: str
) -> None:
    key = new_id()
    dead = record(named(key, "dead"))
    if how == "broken":
        dead = Record(dead.key, b"{", dead.headers)
    notes.fail = {"dead": Refused("no")}
    await notes.processor().process(
        [record(named(key, "before")), dead, record(named(key, "after")), record(named(key, "end"))]
    )
    assert await notes.notes(key) == ["before", "after", "end"]
    ((reason, position, value),) = await rows(
        database, "SELECT reason, position, value FROM dead_letters"
    )
    assert reason.startswith("body: Invalid JSON" if how == "broken" else "Refused: no")
    assert (position, bytes(value)) == (dead.offset, dead.value)
    ((topic, headers),) = await rows(database, "SELECT aggregatetype, headers FROM outbox")
    assert topic == dead_letter_topic(CUSTOMERS.name, GROUP)
    assert headers["kontor_reason"] == reason


async def test_one_failing_message_leaves_its_neighbours_done_before_it_is_tried_again(
    database: Database, notes: Notes
) -> None:
    keys = [new_id() for _ in range(64)]
    batch = [record(named(key, f"note {n}")) for n, key in enumerate(keys)]
    batch.append(record(named(keys[17], "later")))
    notes.fail = {"note 17": Refused("no")}
    await notes.processor().process(batch)
    found = await notes.notes()
    wanted = [f"note {n}" for n in range(64) if n != 17]
    assert sorted(found) == sorted([*wanted, "later"])
    assert await rows(database, "SELECT count(*) FROM dead_letters") == [(1,)]
    # Halved six times until it stood alone, then two more tries, each after its neighbours.
    assert notes.committed[-2:] == [63, 63]
    assert len(notes.committed) <= 7 + 1 + 2 * 2


async def test_several_failing_messages_are_each_buried_alone(
    database: Database, notes: Notes
) -> None:
    batch = [record(named(new_id(), f"note {n}")) for n in range(40)]
    notes.fail = {f"note {n}": Refused(str(n)) for n in (0, 7, 8, 39)}
    await notes.processor().process(batch)
    assert len(await notes.notes()) == 36
    found = await rows(database, "SELECT reason FROM dead_letters ORDER BY position")
    assert found == [(f"Refused: {n}",) for n in (0, 7, 8, 39)]


async def test_what_passes_by_itself_is_waited_for_and_nothing_buried(
    database: Database, notes: Notes
) -> None:
    batch = [record(named(new_id(), f"note {n}")) for n in range(4)]
    notes.fail = {"note 2": ConnectionResetError("away")}
    with pytest.raises(Unsettled):
        await notes.processor(transient_limit_s=0.2).process(batch)
    assert await rows(database, "SELECT 1 FROM inbox UNION SELECT 1 FROM dead_letters") == []
    assert await notes.notes() == []

    waiting = asyncio.create_task(notes.processor().process(batch))
    tries = len(notes.calls)

    async def tried() -> bool | None:
        return True if len(notes.calls) > tries + 1 else None

    await eventually(tried)
    notes.fail = {}
    await waiting
    assert len(await notes.notes()) == 4


@pytest.mark.parametrize("place", ["header of a broken one", "key of a broken one", "correlation"])
async def test_a_nul_character_does_not_stop_the_partition(
    database: Database, notes: Notes, place: str
) -> None:
    # PostgreSQL refuses \0 in text and jsonb: a dead letter that keeps it cannot be written.
    event = named(new_id(), "bad")
    sound = record(named(new_id(), "sound"))
    bad = Record(event.key.encode(), b"{", [*record(event).headers, ("x", b"a\0b")])
    if place.startswith("key"):
        bad = Record(b"a\0b", b"{", record(event).headers)
    if place == "correlation":
        headers = record(event, ce_correlationid="a\0b").headers
        bad = Record(event.key.encode(), event.model_dump_json().encode(), headers)
        notes.hold = {event.customer_id}  # so that its headers are stored
    async with asyncio.timeout(4):
        await notes.processor().process([bad, sound])
    assert await notes.notes() == ["sound"]
    kept = "SELECT 1 FROM dead_letters UNION ALL SELECT 1 FROM parked_messages"
    assert await rows(database, kept) == [(1,)]


async def test_a_message_that_must_wait_is_kept_even_under_a_wrong_key(
    database: Database, notes: Notes
) -> None:
    # What waits is named by customer, so a record under another key must not be overlooked.
    event = named(new_id(), "strayed")
    notes.hold = {event.customer_id}
    sent = record(event)
    await notes.processor().process([Record(None, sent.value, sent.headers)])
    kept = "SELECT 1 FROM dead_letters UNION ALL SELECT 1 FROM parked_messages"
    assert await rows(database, kept) == [(1,)]


# -- relay and wake-up -------------------------------------------------------------------------


def _keys_of_two_shards() -> tuple[UUID, UUID]:
    first = new_id()
    others = (new_id() for _ in itertools.count())
    return first, next(key for key in others if shard_of(str(key)) != shard_of(str(first)))


@asynccontextmanager
async def relay(system: System, *, count: int = 1) -> AsyncIterator[None]:
    """Relays of the billing service, each as in a process of its own."""
    settings = system.settings("billing")
    wakeups = [Wakeup(settings.database_url) for _ in range(count)]
    tasks = [
        asyncio.create_task(work)
        for wakeup in wakeups
        for work in (wakeup.run(), Relay(settings, wakeup).run())
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def sent(system: System, database: Database) -> None:
    async def empty() -> bool | None:
        return True if not await rows(database, "SELECT 1 FROM outbox LIMIT 1") else None

    await eventually(empty, "the outbox to be empty")


async def on_topic(system: System, keys: Sequence[UUID]) -> dict[str, list[int]]:
    """Per key the versions on the topic, in order."""
    found: dict[str, list[int]] = {str(key): [] for key in keys}
    for event in await system.events(CUSTOMERS):
        if event.key in found:
            found[event.key].append(event.sequence or 0)
    return found


async def test_two_relays_at_once_send_each_row_once_and_each_key_in_order(
    system: System, database: Database
) -> None:
    keys = [new_id() for _ in range(24)]
    assert {shard_of(str(key)) for key in keys} == {0, 1, 2, 3}
    each = 60

    async def write(mine: Sequence[UUID]) -> None:
        source = random.Random(str(mine))  # noqa: S311 - repeatable
        versions = dict.fromkeys(mine, 0)
        while min(versions.values()) < each:
            events = []
            for key in source.sample(list(mine), 3) * source.randint(1, 4):
                versions[key] += 1
                events.append(customer_created(key, version=versions[key]))
            async with database.transaction() as tx:
                await publish(tx, events, now=NOW, new_id=new_id)
                await asyncio.sleep(source.random() * 0.01)  # commits overtake each other
        written.update(versions)

    written: dict[UUID, int] = {}
    async with relay(system, count=2):
        await asyncio.gather(*(write(keys[n::4]) for n in range(4)))
        await sent(system, database)
    found = await on_topic(system, keys)
    assert found == {str(key): list(range(1, last + 1)) for key, last in written.items()}


async def test_a_shard_that_another_relay_holds_is_left_to_it(
    system: System, database: Database
) -> None:
    held, free = _keys_of_two_shards()
    connection: Any = await asyncpg.connect(system.databases["billing"])
    try:
        await connection.execute(
            "SELECT pg_advisory_lock($1, $2)", _LOCK_CLASS, shard_of(str(held))
        )
        async with database.transaction() as tx:
            events = [customer_created(key) for key in (held, free)]
            await publish(tx, events, now=NOW, new_id=new_id)
        async with relay(system):

            async def other_shard_sent() -> bool | None:
                found = await rows(database, "SELECT aggregateid FROM outbox")
                return True if found == [(str(held),)] else None

            await eventually(other_shard_sent, "the row of the other shard to be sent")
            assert (await on_topic(system, [held, free])) == {str(held): [], str(free): [1]}
            await connection.execute("SELECT pg_advisory_unlock_all()")
            await sent(system, database)
    finally:
        await connection.close()
    assert (await on_topic(system, [held]))[str(held)] == [1]


async def test_rows_stay_when_kafka_refuses_and_go_in_order_when_it_takes_them(
    system: System, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.outbox._PAYLOAD_MAX_BYTES", 10**9)
    key = new_id()
    events = [customer_created(key, version=version) for version in (1, 2, 3)]
    async with database.transaction() as tx:
        await publish(tx, events, now=NOW, new_id=new_id)
        # Above what a topic takes, and random, so that compression does not help.
        await tx.execute(
            text("UPDATE outbox SET payload = :large WHERE headers->>'ce_sequence' = '2'"),
            {"large": os.urandom(1_400_000)},
        )
    with capture_logs() as logs:
        async with relay(system):

            async def tried_again() -> bool | None:
                failures = [entry for entry in logs if entry["event"] == "relay starts over"]
                return True if len(failures) >= 2 else None

            await eventually(tried_again, "the relay to try a second time")
            assert await rows(database, "SELECT count(*) FROM outbox") == [(3,)]
            # Nothing of a batch that failed is ever seen.
            assert await on_topic(system, [key]) == {str(key): []}
            async with database.transaction() as tx:
                await tx.execute(text("DELETE FROM outbox WHERE length(payload) > 1000000"))
            await sent(system, database)
    assert await on_topic(system, [key]) == {str(key): [1, 3]}


async def test_a_dead_letter_of_the_largest_message_does_not_stop_the_relay(
    system: System, database: Database, notes: Notes
) -> None:
    # With the headers that a dead letter gets on top it would be larger than the broker takes,
    # and everything else of its shard would wait behind it for ever.
    event = named(new_id(), "large")
    headers = record(event).headers
    value = os.urandom(1_048_250)
    await system.send_raw(
        CUSTOMERS, event.key, value, {name: text.decode() for name, text in headers}
    )  # the broker takes it as it is
    await notes.processor().process([Record(event.key.encode(), value, headers)])
    async with database.transaction() as tx:
        await publish(tx, [named(event.customer_id, "next")], now=NOW, new_id=new_id)
    async with relay(system):

        async def gone() -> bool | None:
            return True if not await rows(database, "SELECT 1 FROM outbox") else None

        await eventually(gone, "what comes after the dead letter to be sent", limit_s=6)


async def test_a_row_of_another_process_is_sent_well_before_the_fallback(
    system: System, database: Database
) -> None:
    key = new_id()
    async with relay(system):

        async def listening() -> bool | None:
            query = (
                "SELECT 1 FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
            return True if await rows(database, query) else None

        await eventually(listening)
        connection: Any = await asyncpg.connect(system.databases["billing"])
        try:
            pauses = []
            for version in range(1, 8):
                async with database.transaction() as tx:
                    event = customer_created(key, version=version)
                    await publish(tx, [event], now=NOW, new_id=new_id)
                started = time.monotonic()
                await connection.execute("NOTIFY kontor_work, 'work'")
                await sent(system, database)
                pauses.append(time.monotonic() - started)
        finally:
            await connection.close()
    # Without the hint each would take the whole second of the fallback.
    assert sorted(pauses)[len(pauses) // 2] < 0.4, pauses


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_work_that_is_hinted_at_while_it_is_stopped_still_stops(turns: int) -> None:
    # `asyncio.wait_for` of Python 3.11 swallows a cancellation that meets a result: a worker that
    # commits its last batch while it stops would go on for ever.
    async def nothing_to_do() -> bool:
        return False

    wakeup = Wakeup("postgresql://nowhere")
    working = asyncio.create_task(wakeup.work(nothing_to_do))
    for _ in range(10):
        await asyncio.sleep(0)
    wakeup.hint()
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    stopped, _ = await asyncio.wait({working}, timeout=2)
    working.cancel()
    await asyncio.wait({working}, timeout=2)
    assert stopped


async def test_a_row_without_any_hint_is_sent_by_the_fallback(
    system: System, database: Database
) -> None:
    async with relay(system):
        async with database.transaction() as tx:
            await publish(tx, [customer_created()], now=NOW, new_id=new_id)
        await sent(system, database)


# -- due work ----------------------------------------------------------------------------------


@pytest.fixture
async def mails(system: System) -> AsyncIterator[Database]:
    """The notifier's database, with five deliveries that are due."""
    async with database_of(system, "notifier") as database:
        async with database.transaction() as tx:
            await tx.execute(text("TRUNCATE deliveries"))
            for _ in range(5):
                await tx.execute(
                    text(
                        "INSERT INTO deliveries (id, state, attempts, next_at, customer_id, kind, "
                        "source_id, message_id, resend, created_at) "
                        "VALUES (:id, 'due', 0, :now, :id, 'invoice', :id, :text, false, :now)"
                    ),
                    {"id": new_id(), "now": NOW, "text": str(new_id())},
                )
        yield database


async def claimed(database: Database, now: datetime, limit: int = 10) -> Sequence[Any]:
    async with database.transaction() as tx:
        return await claim_due(tx, notifier_tables.deliveries, now=now, limit=limit)


async def finished(database: Database, row: Any, **values: Any) -> bool:
    async with database.transaction() as tx:
        return await finish(tx, notifier_tables.deliveries, row, **values)


async def test_work_is_not_taken_before_it_is_due_nor_while_it_is_leased(
    mails: Database,
) -> None:
    assert not await claimed(mails, NOW - timedelta(seconds=1))
    assert len(await claimed(mails, NOW, limit=2)) == 2
    assert len(await claimed(mails, NOW)) == 3
    assert not await claimed(mails, NOW + timedelta(seconds=19))
    assert len(await claimed(mails, NOW + timedelta(seconds=20))) == 5


async def test_workers_at_once_take_different_rows_and_nobody_waits(mails: Database) -> None:
    table = notifier_tables.deliveries
    async with mails.transaction() as one, mails.transaction() as other:
        first = await claim_due(one, table, now=NOW, limit=3)
        async with asyncio.timeout(5):
            second = await claim_due(other, table, now=NOW, limit=3)
    assert (len(first), len(second)) == (3, 2)
    assert not {row.id for row in first} & {row.id for row in second}


async def test_the_lease_of_work_in_hand_is_renewed_until_it_is_finished(
    mails: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.due_work._RENEW_EVERY_S", 0.02)
    table = notifier_tables.deliveries
    rows_in_hand = await claimed(mails, NOW, limit=3)
    postponed, parked, *_ = rows_in_hand
    assert await finished(mails, postponed, state="due", next_at=NOW + timedelta(seconds=5))
    assert await finished(mails, parked, state="parked")
    ticks = itertools.count(1)

    def clock() -> datetime:
        return NOW + timedelta(hours=12 * next(ticks))

    async def renewed() -> bool | None:
        query = f"SELECT count(*) FROM {table.name} WHERE next_at >= '{NOW:%Y-%m-%d}'::date + 1"  # noqa: S608 - a table's name
        return True if await rows(mails, query) == [(1,)] else None

    async with held(mails, table, rows_in_hand, clock=clock):
        await eventually(renewed, "the lease of the one that is in hand to grow by a day")
    assert len(await claimed(mails, NOW + timedelta(seconds=5))) == 3


async def test_after_the_lease_another_takes_over_and_the_late_result_is_refused(
    mails: Database,
) -> None:
    (late, *_) = await claimed(mails, NOW)
    again = await claimed(mails, NOW + timedelta(seconds=20))
    (mine,) = (row for row in again if row.id == late.id)
    assert (late.attempts, mine.attempts) == (1, 2)
    assert not await finished(mails, late, state="parked", last_error="too late")
    assert await finished(mails, mine, state="sent", sent_at=NOW)
    assert not await finished(mails, mine, state="parked")
    async with mails.reading() as tx:
        query = "SELECT state, last_error FROM deliveries WHERE id = :id"
        row = (await tx.execute(text(query), {"id": mine.id})).one()
    assert tuple(row) == ("sent", None)
    left = await claimed(mails, NOW + timedelta(hours=1))
    assert len(left) == 4
