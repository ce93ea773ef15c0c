"""Messages that can not be handled, each for another reason, among those that can."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args
from uuid import uuid4

from shared.events import Event, topics
from shared.events.billing import InvoicePaid
from shared.events.subscriptions import InvoiceRequested
from shared.messaging.batch import Handler, Waiting
from shared.worker import Worker
from tests.faults.courier import Letter
from tests.faults.facts import INNOCENT_HEADER, POISON_HEADER
from tests.faults.quiet import consumed
from tests.system import System

__all__ = ["REASONS", "Kind", "Poison", "Poisoner"]

Kind = Literal["bad JSON", "unknown type", "unknown version", "no id", "raising handler"]
REASONS: dict[Kind, str] = {
    "bad JSON": "Invalid JSON",
    "unknown type": "unknown event type 'nobody.knows'",
    "unknown version": "unknown CloudEvents version '9.9'",
    "no id": "header ce_id is missing",
    "raising handler": "_Cursed: as the test wants it",
}
_KINDS: tuple[Kind, ...] = get_args(Kind)
_IN_PLACE = {InvoiceRequested.TYPE, InvoicePaid.TYPE}


class _Cursed(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Poison:
    """`instead_of`: the good message that was withheld for it, None when it came in addition."""

    number: int
    kind: Kind
    letter: Letter
    instead_of: Letter | None
    groups: frozenset[str]

    def repaired(self) -> Letter:
        """What its producer sends to make up for it: the same fact as a new message."""
        assert self.instead_of
        return replace(self.instead_of, headers={**self.instead_of.headers, "ce_id": str(uuid4())})


class Poisoner:
    """Makes one in `one_in` messages of each consumed topic bad, the kinds taking turns.

    Attributes:
        made: all bad messages up to now, with the groups in which they must become dead letters.
    """

    def __init__(self, handled: dict[str, dict[str, set[str]]], one_in: int) -> None:
        self.made: list[Poison] = []
        self._handled = handled
        self._one_in = one_in
        self._seen: Counter[str] = Counter()
        self._cursed: list[Event] = []

    @classmethod
    async def of(cls, system: System, one_in: int) -> "Poisoner":
        """One that knows which group handles which types of each topic."""
        handled: dict[str, dict[str, set[str]]] = defaultdict(dict)
        for _, consumer, group in await consumed(system):
            types = {kind.TYPE for kind in consumer.handlers}
            handled[consumer.topic.name][group] = types
        return cls(handled, one_in)

    def __call__(self, letters: Sequence[Letter]) -> list[Letter]:
        sent: list[Letter] = []
        for letter in letters:
            sent += self._pass(letter)
        return sent

    def _pass(self, letter: Letter) -> list[Letter]:
        if letter.topic not in self._handled:
            return [letter]
        self._seen[letter.topic] += 1
        turn, rest = divmod(self._seen[letter.topic], self._one_in)
        if rest:
            return [letter]
        in_place = letter.headers["ce_type"] in _IN_PLACE
        poison = self.make(letter, _KINDS[turn % len(_KINDS)], in_place=in_place)
        return [poison.letter] if in_place else [poison.letter, letter]

    def make(self, letter: Letter, kind: Kind, *, in_place: bool) -> Poison:
        number = len(self.made)
        headers = {**letter.headers, POISON_HEADER: str(number)}
        value = letter.value or b""
        if not in_place:
            headers["ce_id"] = str(uuid4())
        match kind:
            case "bad JSON":
                value = value[: len(value) // 2]
            case "unknown type":
                headers["ce_type"] = "nobody.knows"
            case "unknown version":
                headers["ce_specversion"] = "9.9"
            case "no id":
                del headers["ce_id"]
            case "raising handler":
                event = self._event(letter)
                if in_place:
                    headers[INNOCENT_HEADER] = "yes"
                else:  # never the same as the good one, which must be handled
                    count = "version" if "version" in type(event).model_fields else "attempts"
                    event = event.model_copy(update={count: 1_000_000 + number})
                self._cursed.append(event)
                value = event.model_dump_json().encode()
        groups = frozenset(
            group
            for group, types in self._handled[letter.topic].items()
            if kind == "unknown type" or letter.headers["ce_type"] in types
        )
        bad = Letter(letter.topic, letter.key, value, headers)
        poison = Poison(number, kind, bad, letter if in_place else None, groups)
        self.made.append(poison)
        return poison

    def _event(self, letter: Letter) -> Event:
        topic = next(topic for topic in topics() if topic.name == letter.topic)
        kind = topics()[topic][letter.headers["ce_type"]]
        return kind.model_validate_json(letter.value or b"")

    def curse(self, worker: Worker) -> None:
        """Make a worker's handlers raise at the messages that are to make them raise."""
        worker.consumers = [
            replace(
                consumer,
                handlers={kind: self._raising(h) for kind, h in consumer.handlers.items()},
            )
            for consumer in worker.consumers
        ]

    def repair_handlers(self) -> None:
        self._cursed.clear()

    def _raising(self, handler: Handler) -> Handler:
        async def handle(tx: Any, events: Any, *, now: Any, new_id: Any) -> Waiting:
            if any(event in self._cursed for event in events):
                raise _Cursed("as the test wants it")
            return await handler(tx, events, now=now, new_id=new_id)

        return cast("Handler", handle)
