"""Every event type, and its golden files."""

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.events import Event, topics

__all__ = ["EVENTS", "event_id", "field_paths", "golden", "parts_of"]

GOLDEN = Path(__file__).parent / "golden"
EVENTS: list[type[Event]] = sorted(
    (event for events in topics().values() for event in events.values()), key=lambda e: e.TYPE
)


def event_id(event: type[Event]) -> str:
    return f"{event.TOPIC.name}/{event.TYPE}"


def golden(event: type[Event], kind: str = "") -> Any:
    """The full example of an event, or with `.minimal` the one without optional fields."""
    return json.loads((GOLDEN / event.TOPIC.name / f"{event.TYPE}{kind}.json").read_text("utf-8"))


def parts_of(field: FieldInfo) -> set[type[BaseModel]]:
    """The models inside a field, such as the lines of an invoice."""
    return set(_models(field.annotation))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models(inner)]


def field_paths(model: type[BaseModel], *, required_only: bool = False, path: str = "") -> set[str]:
    """Every field of an event and of its parts, as `lines.period.start`."""
    found = set()
    for name, field in model.model_fields.items():
        if required_only and not field.is_required():
            continue
        found.add(f"{path}{name}")
        for part in parts_of(field):
            found |= field_paths(part, required_only=required_only, path=f"{path}{name}.")
    return found
