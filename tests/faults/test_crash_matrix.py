"""Each process dies before and after each of its awaits on the way of a payment and of a mail.

The short form kills at some points of each process, `KONTOR_FAULT_SEED` chooses which;
`KONTOR_CRASH_MATRIX=full` kills at all of them.
"""

import asyncio
import os
import random
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest

from tests.faults.crash_points import find_points, on_path
from tests.faults.crash_scope import NOT_PASSED, off_path
from tests.faults.fleet import Fleet, WorkerProcess, seeded, working
from tests.faults.groups import Groups
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.faults.quiet import consumed, quiet
from tests.system import System, eventually
from tests.tokens import issuer

_FULL = os.environ.get("KONTOR_CRASH_MATRIX") == "full"
_SAMPLE = 7
pytestmark = pytest.mark.timeout(3_600 if _FULL else 300)

_LEASED = {"renderer": "documents", "sender": "deliveries"}
_LISTENING = {"api": b"Application startup complete"}


@dataclass(frozen=True, slots=True)
class _Actor:
    """A process on the way, and what sets it to work."""

    service: str
    role: str
    moved_by: Literal["booking", "payment", "request"]

    def __str__(self) -> str:
        return f"{self.service} {self.role}"


_ACTORS = (
    _Actor("billing", "api", "request"),
    _Actor("billing", "relay", "payment"),
    _Actor("subscriptions", "worker", "payment"),
    _Actor("subscriptions", "relay", "payment"),
    _Actor("billing", "worker", "booking"),
    _Actor("billing", "renderer", "booking"),
    _Actor("notifier", "worker", "booking"),
    _Actor("notifier", "sender", "booking"),
)


@pytest.fixture(scope="module")
def crash_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crashes")


@pytest.fixture(scope="module")
async def fleet(
    system: System, crash_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """One whose processes can be killed at each await."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        system.environment["KONTOR_BILLING_API_PORT"] = str(free.getsockname()[1])
    system.environment["KONTOR_CRASH_FOLDER"] = str(crash_folder)
    folder = tmp_path_factory.mktemp("processes")
    async with Fleet(system, folder, nursery="tests.faults.crash_nursery") as running:
        yield running


async def test_a_death_at_any_await_loses_nothing_and_does_nothing_twice(
    system: System, fleet: Fleet, crash_folder: Path
) -> None:
    chance = seeded("crash matrix")
    others = working(system, ["customers"])
    rest = working(system, ["notifier"], without=["worker", "sender"])
    async with others, rest, Journeys(system, chance) as journeys, Groups(system) as groups:
        stage = _Stage(system, fleet, journeys, groups, crash_folder)
        await stage.prepare()
        passed = await stage.survey()
        _every_await_is_accounted_for(passed)
        chosen = _choose(passed, chance)
        await stage.provide(chosen)
        async with asyncio.TaskGroup() as group:
            for actor, points in chosen.items():
                group.create_task(stage.kill_at_each(actor, points))
        await verify(system, promised=journeys.promised, mails_may_repeat=True)
    for actor, points in chosen.items():
        assert stage.killed[actor] == points
        print(f"\n{actor}:", *points, sep="\n  ")  # noqa: T201 - the matrix, for who asks for it


def _every_await_is_accounted_for(passed: Mapping[_Actor, set[str]]) -> None:
    """All are passed by a payment and its mail, or are listed with a reason."""
    every = {side for point in find_points() for side in point.sides}
    seen = set().union(*passed.values())
    unknown = sorted(side for side in every - seen if not off_path(side))
    assert not unknown, f"{len(unknown)} awaits are not passed, and nobody says why: {unknown}"
    wrong = sorted(side for side in seen for pattern in NOT_PASSED if fnmatchcase(side, pattern))
    assert not wrong, f"{len(wrong)} awaits are passed though they are listed: {wrong}"


def _choose(passed: Mapping[_Actor, set[str]], chance: random.Random) -> dict[_Actor, list[str]]:
    """Each point once: in one of the processes that pass it."""
    by_actor: dict[_Actor, list[str]] = defaultdict(list)
    for point in on_path(find_points()):
        for side in point.sides:
            passing = [actor for actor in _ACTORS if side in passed[actor]]
            if passing:
                by_actor[chance.choice(passing)].append(side)
    if _FULL:
        return by_actor
    return {
        actor: chance.sample(points, min(_SAMPLE, len(points)))
        for actor, points in by_actor.items()
    }


@dataclass
class _Stage:
    system: System
    fleet: Fleet
    journeys: Journeys
    groups: Groups
    folder: Path
    killed: dict[_Actor, list[str]] = field(default_factory=lambda: defaultdict(list))
    _customers: Iterator[str] = field(default_factory=lambda: iter(()))
    _open: list[Any] = field(default_factory=list)
    _consumed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def prepare(self) -> None:
        for service, _, group in await consumed(self.system):
            self._consumed[service].append(group)

    async def survey(self) -> Mapping[_Actor, set[str]]:
        """Which points each process passes, from one booking, its payment, and its mail."""
        running = {actor: await self._start(actor) for actor in _ACTORS}
        customer, *_ = await self.journeys.customers(1)
        await quiet(self.system)
        notes = self.folder / "survey"
        notes.touch()
        booked = await self.journeys.book(customer, "plan")
        await self._request(booked)
        await quiet(self.system)
        notes.unlink()
        return {
            actor: set((self.folder / f"survey-{process.pid}").read_text().splitlines())
            for actor, process in running.items()
        }

    async def provide(self, chosen: Mapping[_Actor, Sequence[str]]) -> None:
        """A customer for each point, with an open invoice where a payment is needed."""
        needed = sum(map(len, chosen.values()))
        customers = iter(await self.journeys.customers(needed))
        for actor, points in chosen.items():
            if actor.moved_by != "booking":
                self._open += [await self.journeys.book(next(customers), "plan") for _ in points]
        for booked in self._open:
            await self.journeys.invoice_of(booked)
        self._customers = customers
        await quiet(self.system)
        await self.fleet.stop()

    async def kill_at_each(self, actor: _Actor, points: Sequence[str]) -> None:
        """One process after the other, each dies at its point with something in its hands."""
        work: asyncio.Task[None] | None = None
        for point in points:
            process = await self._start(actor, point)
            if work:
                await work  # the one before has been replaced, so it comes to its end
            moment = self.folder / point
            moment.touch()
            work = asyncio.create_task(self._move(actor))
            await process.died()
            moment.unlink()
            self.killed[actor].append(point)
            await self._let_time_pass(actor)
        await self._start(actor)
        if work:
            await work

    async def _start(self, actor: _Actor, point: str = "") -> WorkerProcess:
        ready = _LISTENING.get(actor.role, b"worker started")
        return await self.fleet.start(actor.service, [actor.role], failpoint=point, ready=ready)

    async def _move(self, actor: _Actor) -> None:
        if actor.moved_by == "booking":
            await self.journeys.book(next(self._customers), "plan")
        elif actor.moved_by == "payment":
            await self.journeys.settle(self._open.pop(), "paid")
        else:
            await self._request(self._open.pop())

    async def _request(self, booked: Any) -> None:
        """Pay at the process, again and again with one key until it has answered."""
        invoice = await self.journeys.invoice_of(booked)
        port = self.system.environment["KONTOR_BILLING_API_PORT"]
        url = f"http://127.0.0.1:{port}/v1/invoices/{invoice['id']}/payments"
        body = {"amount": invoice["open_amount"]}
        headers = {"Idempotency-Key": str(uuid4()), **issuer().headers()}
        async with httpx.AsyncClient(timeout=20) as client:

            async def answered() -> bool | None:
                with suppress(httpx.TransportError):
                    answer = await client.post(url, json=body, headers=headers)
                    # The one before may not have lost its lock yet.
                    assert answer.status_code in {201, 409}, answer.text
                    return answer.status_code == 201 or None
                return None

            await eventually(answered, f"an answer from {url}")
        self.journeys.promised |= {s["id"]: "active" for s in booked["subscriptions"]}

    async def _let_time_pass(self, actor: _Actor) -> None:
        """After which the dead one is missed, and what it had claimed is due again."""
        if actor.role == "worker":
            await self.groups.forget_members(self._consumed[actor.service])
        if table := _LEASED.get(actor.role):
            query = f"UPDATE {table} SET next_at = now() WHERE state = 'due'"  # noqa: S608 - a table's name
            await self.system.rows(actor.service, query)
