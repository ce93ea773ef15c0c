"""Old messages come after newer ones of their key: as they were, and as messages of their own."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.seed import load
from shared.events.billing import SETTINGS, InvoiceDocumentStored
from shared.events.customers import CUSTOMERS
from shared.events.subscriptions import ENTITLEMENTS
from tests.faults.courier import Courier, Letter
from tests.faults.facts import POISON_HEADER, told
from tests.faults.fleet import SECONDS, meanwhile, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import consumed
from tests.system import System

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_CUSTOMERS = max(15, int(2 * SECONDS))
_STALE_MAX = 3
_LANGUAGES = ("de", "fr", "it", "en")
# It waits for the opening of its invoice, and all later messages of its key wait behind it.
_NEVER_EARLY = {InvoiceDocumentStored.TYPE}
_COPIES = {
    "subscriptions": "SELECT id, version, language, time_zone, country FROM customers",
    "billing": "SELECT id, version, state FROM customers",
    "notifier": "SELECT id, version, state FROM customers",
}


class Latecomers:
    """Delivers all that is new, and with it old messages of the same topic and key.

    Attributes:
        stale: how many old messages came after newer ones, by event type.
        overtaken: how many came after the one that followed them.
    """

    def __init__(self, topics: Collection[str], chance: random.Random) -> None:
        self.stale: Counter[str] = Counter()
        self.overtaken: Counter[str] = Counter()
        self._past: dict[tuple[str, str], list[Letter]] = defaultdict(list)
        self._topics = topics
        self._chance = chance

    def __call__(self, letters: Sequence[Letter]) -> list[Letter]:
        return [
            sent
            for position, letter in enumerate(letters)
            for sent in self._deliver(letter, letters[position + 1 :])
        ]

    def _deliver(self, letter: Letter, later: Sequence[Letter]) -> Iterator[Letter]:
        if letter.topic not in self._topics:
            yield letter
            return
        slot = (letter.topic, letter.key)
        follower = next((one for one in later if (one.topic, one.key) == slot), None)
        if follower and follower.headers["ce_type"] not in _NEVER_EARLY:
            # The same id: when its turn comes, the inbox has it already.
            self.overtaken[letter.headers["ce_type"]] += 1
            yield _marked(follower, follower.headers["ce_id"])
        yield letter
        past = self._past[slot]
        for _ in range(self._chance.randint(1, _STALE_MAX) if past else 0):
            yield self._again(self._chance.choice(past))
        past.append(letter)

    def _again(self, old: Letter) -> Letter:
        self.stale[old.headers["ce_type"]] += 1
        # Of a compacted topic the newest record counts, and an old one here is not the product's.
        as_it_was = self._chance.random() < 0.3 and old.topic != ENTITLEMENTS.name
        return old if as_it_was else _marked(old, str(uuid4()))

    def everything_again(self) -> list[Letter]:
        """All that was ever said, in any order, as messages of their own."""
        letters = [_marked(old, str(uuid4())) for past in self._past.values() for old in past]
        self._chance.shuffle(letters)
        return letters


def _marked(letter: Letter, event_id: str) -> Letter:
    """A message that the oracle does not take for one of the product's."""
    return replace(letter, headers={**letter.headers, "ce_id": event_id, POISON_HEADER: "stale"})


async def test_old_messages_after_newer_ones_change_nothing(system: System) -> None:
    chance = seeded("stale after new")
    topics = {consumer.topic.name for _, consumer, _ in await consumed(system)}
    latecomers = Latecomers(topics, chance)
    async with (
        Courier(system, latecomers, every_s=0.2) as courier,
        working(system, without=["relay"]),
        Journeys(system, chance) as journeys,
    ):
        customers = await journeys.customers(_CUSTOMERS)
        async with meanwhile(_change(system, customers, chance)):
            await journeys.run(customers, seconds=SECONDS)
        await verify(system, promised=journeys.promised)
        await _copies_are_the_newest(system)

        await courier.send(latecomers.everything_again())
        await verify(system, promised=journeys.promised)
        await _copies_are_the_newest(system)
    came = {"customer.updated", "settings.changed", "invoice.requested", "invoice.opened"}
    assert came <= latecomers.stale.keys(), f"never came late: {came - latecomers.stale.keys()}"
    assert latecomers.overtaken["invoice.opened"], "no payment came before its invoice"


async def _change(system: System, customers: Sequence[str], chance: random.Random) -> None:
    """New versions of customers and of the seller, in what changes no amount."""
    seller = json.loads(json.dumps(load("seller"), default=str))
    for number in range(1_000_000):
        note = {"billing_note": f"Note {number}", "language": chance.choice(_LANGUAGES)}
        answer = await system.api.patch(f"/customers/{chance.choice(customers)}", json=note)
        assert answer.is_success, answer.text
        if number % 10 == 0:
            body = {**seller, "footer": f"Footer {number}"}
            assert (await system.api.put("/settings/seller", json=body)).is_success
        await asyncio.sleep(0.02)


async def _copies_are_the_newest(system: System) -> None:
    """Not their versions alone, which `verify` looks at: what they say, too."""
    newest: dict[str, Any] = {
        one.event.key: one.event.model_dump(mode="json") for one in await told(system, CUSTOMERS)
    }
    for service, query in _COPIES.items():
        for row in await system.rows(service, query):
            copy = json.loads(row["state"]) if "state" in row else dict(row)
            said = {name: newest[str(row["id"])][name] for name in copy.keys() - {"id"}}
            found = {name: copy[name] for name in said}
            assert found == said, f"customer {row['id']} in {service} is an old one"
    seller = (await told(system, SETTINGS))[-1].event.model_dump(mode="json")
    for service in ("subscriptions", "billing", "notifier"):
        rows = await system.rows(service, "SELECT data FROM seller_settings")
        assert [json.loads(row["data"]) for row in rows] == [seller], f"old seller in {service}"
