"""Transactions as many writers make them: the lock first, the events early, the commit late.

Ids of outbox rows are drawn when a row is written, so those of writers that take long are lower
than others that anybody has seen long before.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer
from shared.clock import new_id, system_clock
from shared.database import Database, RolledBack, Tx
from shared.events.customers import CUSTOMERS, CustomerUpdated
from shared.messaging.outbox import publish
from shared.messaging.wakeup import Wakeup
from tests.system import System

__all__ = ["WRITERS", "Writers"]

WRITERS = 16
_ROLLBACKS = 0.1


@dataclass(frozen=True, slots=True)
class _Pace:
    """How a writer behaves: so many keys and events per transaction, and this long open."""

    keys_max: int = 3
    events_max: int = 4
    open_max_s: float = 0.06
    slow: float = 0.05
    slow_max_s: float = 0.5


class Writers:
    """Enter it to let 16 writers change customers at once, until the block ends.

    Attributes:
        newest: the version of each customer that was committed last.
    """

    def __init__(
        self, system: System, chance: random.Random, customers: Sequence[str], **pace: Any
    ) -> None:
        self.newest = dict.fromkeys(customers, 1)
        self._system = system
        self._chance = chance
        self._customers = [UUID(customer) for customer in customers]
        self._pace = _Pace(**pace)
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        url = self._system.databases["customers"]
        self._database = Database(url, WRITERS)
        self._wakeup = Wakeup(url)
        self._hints = asyncio.create_task(self._wakeup.run())
        self._writing = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        ended = await asyncio.gather(*self._writing, return_exceptions=True)
        self._hints.cancel()
        await asyncio.gather(self._hints, return_exceptions=True)
        await self._database.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _write(self) -> None:
        while not self._over.is_set():
            kept = False
            async with self._database.transaction() as tx:
                changed = await self._change(tx)
                slow = self._chance.random() < self._pace.slow
                open_s = self._pace.slow_max_s if slow else self._pace.open_max_s
                await asyncio.sleep(self._chance.uniform(0, open_s))
                if self._chance.random() < _ROLLBACKS:
                    raise RolledBack
                kept = True
            if kept:
                self.newest |= {str(customer.id): customer.version for customer in changed}
                self._wakeup.hint()

    async def _change(self, tx: Tx) -> Sequence[Customer]:
        count = self._chance.randint(1, self._pace.keys_max)
        locked = await repository.lock_customers(tx, self._chance.sample(self._customers, count))
        steps = range(1, self._chance.randint(1, self._pace.events_max) + 1)
        changed = [_changed(customer, step) for step in steps for customer in locked.values()]
        await publish(tx, [_told(one) for one in changed], now=system_clock(), new_id=new_id)
        last = changed[-len(locked) :]
        await repository.save_customers(tx, last, now=system_clock())
        return last

    async def all_told_in_order(self, *, once: bool = False) -> None:
        """Each version of each customer is on the topic, in order, and the newest is the last.

        What was sent again counts where it stood first; with `once` it may not have been.
        """
        told: dict[str, list[int]] = defaultdict(list)
        first: dict[str, list[int]] = defaultdict(list)
        seen = set()
        for record in await self._system.read_topic(CUSTOMERS.name):
            headers = dict(record.headers)
            key, version = record.key.decode(), int(headers["ce_sequence"])
            told[key].append(version)
            if headers["ce_id"] not in seen:
                seen.add(headers["ce_id"])
                first[key].append(version)
        lost, disordered, stale = [], [], []
        for key, newest in self.newest.items():
            wanted = [*range(1, newest + 1)]
            if missing := set(wanted) - {*first[key]}:
                lost.append((key, sorted(missing)))
            elif first[key] != wanted:
                disordered.append((key, first[key]))
            if told[key] and told[key][-1] != newest:
                stale.append((key, told[key][-1], newest))
        assert not lost, f"{len(lost)} keys lost messages: {lost[:3]}"
        assert not disordered, f"{len(disordered)} keys out of order: {disordered[:3]}"
        assert not stale, f"{len(stale)} keys end with an old state: {stale[:3]}"
        if once:
            assert told == first, "messages were sent twice though nothing failed"


def _changed(customer: Customer, step: int) -> Customer:
    version = customer.version + step
    return replace(customer, version=version, billing_note=f"Version {version}")


def _told(customer: Customer) -> CustomerUpdated:
    values = asdict(customer)
    return CustomerUpdated(customer_id=values.pop("id"), **values)
