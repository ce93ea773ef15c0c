"""Messages that can not be handled, one in N on every topic that anybody consumes."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.seed import load
from deploy.services import SERVICES
from shared.clock import new_id
from shared.events.customers import CUSTOMERS, CustomerCreated, CustomerState, CustomerUpdated
from shared.events.subscriptions import INVOICE_REQUESTS, InvoiceRequested, RequestedLine
from shared.messaging.dead_letters import dead_letter_topic
from shared.money import Money
from shared.worker import Worker
from tests.faults.courier import Courier, Letter
from tests.faults.facts import POISON_HEADER, told
from tests.faults.fleet import SECONDS, seeded, working
from tests.faults.journeys import Ending, Journeys
from tests.faults.oracle import verify
from tests.faults.poison import REASONS, Poison, Poisoner
from tests.faults.quiet import consumed, quiet
from tests.system import System, eventually

pytestmark = pytest.mark.timeout(300 + 3 * SECONDS)

_ONE_IN = int(os.environ.get("KONTOR_FAULT_ONE_IN", "3"))
# Enough for each kind to have its turn on each topic.
_CUSTOMERS = max(len(REASONS) * _ONE_IN, int(SECONDS))
_ENDINGS: tuple[Ending, ...] = ("paid", "paid in parts", "paid", "void", "partly paid")
# Long, so that waiting for them can not be mistaken for a busy machine.
_PAUSES_S = (1.0, 2.0, 3.0)
_RETRY_BUDGET_S = sum(_PAUSES_S)
_SLACK_S = 3.0


async def test_each_bad_message_dies_once_and_its_repair_counts_once(system: System) -> None:
    poisoner = await Poisoner.of(system, _ONE_IN)
    async with (
        Courier(system, poisoner) as courier,
        working(system, without=["relay"], changed=poisoner.curse),
        Journeys(system, seeded("poison")) as journeys,
    ):
        customers = await journeys.customers(_CUSTOMERS)
        for _ in range(len(REASONS) * _ONE_IN):
            answer = await system.api.put("/settings/seller", json=_seller())
            assert answer.is_success
        for customer in customers:
            await system.post(f"/customers/{customer}/users", _user(customer))
        kinds = ("plan", "module")
        booked = [await journeys.book(customer, kind) for customer in customers for kind in kinds]
        await quiet(system)
        await _each_died_once(system, poisoner)
        repaired = await _repair(system, poisoner, courier, poisoner.made)

        for position, booking in enumerate(booked):
            await journeys.settle(booking, _ENDINGS[position % len(_ENDINGS)])
        await quiet(system)
        await _each_died_once(system, poisoner)
        repaired += await _repair(system, poisoner, courier, poisoner.made[repaired:])

        met = {(poison.letter.topic, poison.kind) for poison in poisoner.made}
        topics = {consumer.topic.name for _, consumer, _ in await consumed(system)}
        assert met == {(topic, kind) for topic in topics for kind in REASONS}, "some never came"
        left = Counter(
            group for poison in poisoner.made if not _replayable(poison) for group in poison.groups
        )
        await verify(system, promised=journeys.promised, dead_letters=left)


def _seller() -> Any:
    return json.loads(json.dumps(load("seller"), default=str))


def _user(customer: str) -> dict[str, str]:
    return {"first_name": "Uli", "surname": "Muster", "email": f"u{customer}@probe.example"}


def _replayable(poison: Poison) -> bool:
    """Whether the message was good, and only its handler was not."""
    return poison.kind == "raising handler" and poison.instead_of is not None


async def _each_died_once(system: System, poisoner: Poisoner) -> None:
    """One row and one record on the topic of dead letters, in each group that could not take it."""
    for service, consumer, group in await consumed(system):
        topic = consumer.topic.name
        expected = {p.number: p for p in poisoner.made if group in p.groups}
        query = "SELECT * FROM dead_letters WHERE consumer = $1"
        rows = await system.rows(service, query, group)
        found = Counter(int(json.loads(row["headers"])[POISON_HEADER]) for row in rows)
        assert found == Counter(expected.keys()), f"{group}: dead letters"
        for row in rows:
            poison = expected[int(json.loads(row["headers"])[POISON_HEADER])]
            stored = (row["topic"], row["key"], row["value"], json.loads(row["headers"]))
            letter = poison.letter
            assert stored == (letter.topic, letter.key, letter.value, letter.headers)
            assert REASONS[poison.kind] in row["reason"]

        records = await system.read_topic(dead_letter_topic(topic, group))
        shown = Counter(int(dict(record.headers)[POISON_HEADER]) for record in records)
        assert shown == Counter(expected.keys()), f"{group}: the topic of dead letters"
        stands = {(r.partition, r.offset): r for r in await system.read_topic(topic)}
        for record in records:
            headers = {name: value.decode() for name, value in record.headers}
            poison = expected[int(headers[POISON_HEADER])]
            assert REASONS[poison.kind] in headers["kontor_reason"]
            assert (headers["kontor_consumer"], headers["kontor_topic"]) == (group, topic)
            original = stands[int(headers["kontor_partition"]), int(headers["kontor_offset"])]
            assert (original.key, original.value) == (record.key, record.value)
            assert dict(original.headers).items() <= dict(record.headers).items()


async def _repair(
    system: System, poisoner: Poisoner, courier: Courier, made: Sequence[Poison]
) -> int:
    """Make up for what was withheld, each of it twice; returns how many were looked at.

    Where the handler was at fault the dead letters are replayed, two operators at a time; where
    the message was, its producer sends it right.
    """
    poisoner.repair_handlers()
    numbers = [str(poison.number) for poison in made if _replayable(poison)]
    for service in SERVICES:
        query = "SELECT id FROM dead_letters WHERE headers->>$1 = ANY($2)"
        ids = [row["id"] for row in await system.rows(service, query, POISON_HEADER, numbers)]
        if not ids:
            continue
        path, body = f"/{service}/failures/replay", {"kind": "dead", "ids": ids}
        answers = await asyncio.gather(*(system.post(path, body, expect=200) for _ in range(2)))
        resolved = Counter(i for answer in answers for i in answer["resolved"])
        assert resolved == Counter(ids), f"{service}: {resolved}"
    for poison in made:
        if poison.instead_of and not _replayable(poison):
            await courier.send([poison.repaired()] * 2)
    await quiet(system)
    return len(made)


async def test_neighbours_of_a_bad_message_wait_no_longer_than_its_retries(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoner = await Poisoner.of(system, _ONE_IN)

    def prepared(worker: Worker) -> None:
        poisoner.curse(worker)
        usual = worker.processors()
        patient = [replace(one, retry_pauses_s=_PAUSES_S) for one in usual]
        monkeypatch.setattr(worker, "processors", lambda: patient)

    async with (
        Courier(system, lambda letters: letters) as courier,
        working(system, without=["relay"], changed=prepared),
        Journeys(system, seeded("neighbours")) as journeys,
    ):
        await journeys.customers(5)
        newest = {one.event.key: one.event for one in await told(system, CUSTOMERS)}
        good = [_update(event, 1) for event in newest.values()]
        middle = len(good) // 2
        bad = poisoner.make(good[middle], "raising handler", in_place=False)
        behind = _update(newest[bad.letter.key], 2)
        later = [_update(event, 3) for event in newest.values()]
        sent = datetime.now(UTC)
        # What is written as one record batch is fetched as one, so these are in one transaction.
        await _send_as_one(courier, system, [*good[:middle], bad.letter, *good[middle:], behind])
        await _send_as_one(courier, system, later)
        await quiet(system)

        for service, consumer, group in await consumed(system):
            if consumer.topic != CUSTOMERS:
                continue
            query = "SELECT event_id, seen_at FROM inbox WHERE consumer = $1"
            rows = await system.rows(service, query, group)
            seen = {row["event_id"]: (row["seen_at"] - sent).total_seconds() for row in rows}
            died = seen[_id(bad.letter)]
            # Done before the first pause: the bad one waits through all of them alone.
            neighbours = [seen[_id(letter)] for letter in good if letter.key != bad.letter.key]
            assert max(neighbours) < _SLACK_S, f"{group}: neighbours were held up"
            assert max(neighbours) + _RETRY_BUDGET_S <= died, f"{group}: neighbours were held up"
            assert _RETRY_BUDGET_S <= died <= _RETRY_BUDGET_S + _SLACK_S, f"{group}: retries"
            # Its own key waits for it, and others at most until then: what comes later is a batch
            # of its own, unless the consumer was so late that it found both.
            after = [good[middle], behind, *later]
            own = [seen[_id(letter)] for letter in after if letter.key == bad.letter.key]
            assert died <= min(own), f"{group}: order within the key"
            latest = max(seen[_id(letter)] for letter in after)
            assert latest <= died + _SLACK_S, f"{group}: the next batch was held up"


async def test_a_message_under_a_wrong_key_waits_and_is_not_lost(system: System) -> None:
    customer, request = new_id(), new_id()
    line = RequestedLine(
        subscription_id=new_id(),
        title="Team",
        unit_price=Decimal("49.00"),
        basis="net",
        vat_category="standard",
        cycle="monthly",
    )
    requested = InvoiceRequested(
        customer_id=customer,
        request_id=request,
        reason="booking",
        title="Team",
        currency="CHF",
        lines=(line,),
        expected_total=Money(5295, "CHF"),
    )
    headers = {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_type": requested.TYPE}
    value = requested.model_dump_json().encode()
    async with working(system), Journeys(system, seeded("wrong key")) as journeys:
        await journeys.customers(1)
        await system.send_raw(INVOICE_REQUESTS, "somebody else", value, headers)

        async def parked() -> bool | None:
            query = "SELECT 1 FROM parked_messages WHERE event_id = $1"
            return bool(await system.rows("billing", query, headers["ce_id"])) or None

        await eventually(parked, "the request to be parked")
        known = (await told(system, CUSTOMERS))[0].event
        assert isinstance(known, CustomerState)
        fields = {name: getattr(known, name) for name in CustomerState.model_fields}
        await system.send(CustomerCreated(**fields | {"customer_id": customer}))
        await system.invoice_of(str(request))


def _update(event: Any, more: int) -> Letter:
    fields = {name: getattr(event, name) for name in CustomerState.model_fields}
    updated = CustomerUpdated(**fields | {"version": event.version + more})
    headers = {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_type": updated.TYPE}
    return Letter(CUSTOMERS.name, updated.key, updated.model_dump_json().encode(), headers)


def _id(letter: Letter) -> UUID:
    return UUID(letter.headers["ce_id"])


async def _send_as_one(courier: Courier, system: System, letters: Sequence[Letter]) -> None:
    producer: AIOKafkaProducer = courier._producer
    batch = producer.create_batch()
    for letter in letters:
        headers = [(name, text.encode()) for name, text in letter.headers.items()]
        appended = batch.append(
            timestamp=None, key=letter.key.encode(), value=letter.value, headers=headers
        )
        assert appended, "one record batch is too small for this"
    sent = await producer.send_batch(batch, f"{system.prefix}{CUSTOMERS.name}", partition=0)
    await sent
