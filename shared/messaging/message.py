"""A Kafka record as this package handles it, and what it decodes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID, uuid5

from pydantic import ValidationError

from shared.events import Event

__all__ = ["Message", "decode", "storable"]

# Records without a usable id get one from where they stand, so that they too are handled once.
_BY_POSITION = UUID("5d1c9a3e-6f0b-4f57-9c55-1f2e7c0b6a11")


@dataclass(frozen=True, slots=True)
class Message:
    """One record.

    Attributes:
        event: the decoded body; None when `broken` says why there is none.
        broken: why this message can never be handled.
    """

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: Mapping[str, str]
    event_id: UUID
    event: Event | None = None
    broken: str | None = None
    row_id: int = field(default=0, compare=False)

    def given_up(self, reason: str) -> Self:
        return replace(self, event=None, broken=reason)


def decode(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Mapping[str, str],
    *,
    known: Mapping[str, type[Event]],
    row_id: int = 0,
) -> Message:
    """Read one record. Never raises: what can not be read is `broken` with the reason."""
    event: Event | None = None
    broken: str | None = None
    kind = headers.get("ce_type")
    model = known.get(kind or "")
    try:
        event_id = UUID(headers["ce_id"])
    except (KeyError, ValueError):
        event_id = uuid5(_BY_POSITION, f"{topic}/{partition}/{offset}")
        broken = "header ce_id is missing or no UUID"
    if broken:
        pass
    elif headers.get("ce_specversion") != "1.0":
        broken = f"unknown CloudEvents version {headers.get('ce_specversion')!r}"
    elif model is None:
        broken = f"unknown event type {kind!r} on {topic}"
    elif value is None:
        broken = "empty body"
    else:
        try:
            event = model.model_validate_json(value)
        except ValidationError as error:
            broken = _reason(error)
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        # What the event says: a record under another key must not slip past order and parking.
        key=event.key if event else storable(key or b""),
        value=value,
        headers=headers,
        event_id=event_id,
        event=event,
        broken=broken,
        row_id=row_id,
    )


def storable(raw: bytes) -> str:
    """Text as PostgreSQL can keep it, whatever somebody has put into a key or header."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _reason(error: ValidationError) -> str:
    """Fields and rules, without the values: they may be personal data."""
    details: list[Any] = error.errors(include_input=False, include_url=False)[:5]
    return "; ".join(f"{'.'.join(map(str, d['loc'])) or 'body'}: {d['msg']}" for d in details)
