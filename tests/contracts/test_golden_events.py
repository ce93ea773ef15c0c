"""One full and one minimal example per event: what is on the topics, and stays readable there."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel

from shared.events import Event
from shared.events.asyncapi import event_schema
from shared.messaging.message import Message, decode
from tests.contracts.catalogue import EVENTS, GOLDEN, event_id, field_paths, golden, parts_of

every_event = pytest.mark.parametrize("event", EVENTS, ids=event_id)
both_kinds = pytest.mark.parametrize("kind", ["", ".minimal"], ids=["full", "minimal"])

EVENT_ID = UUID("0199f3a5-0000-7000-8000-000000000001")


def read(event: type[Event], body: Any) -> Message:
    """Decode as a consumer does."""
    return decode(
        event.TOPIC.name,
        3,
        42,
        b"key",
        json.dumps(body).encode(),
        {"ce_specversion": "1.0", "ce_id": str(EVENT_ID), "ce_type": event.TYPE},
        known={event.TYPE: event},
    )


def written(event: Event) -> Any:
    """What the outbox holds of an event."""
    return json.loads(event.model_dump_json())


def paths_in(value: Any, path: str = "") -> set[str]:
    """The fields of a document as `lines.period.start`; maps with free keys count as one."""
    found = set()
    for item in value if isinstance(value, list) else [value]:
        for name, inner in item.items() if isinstance(item, dict) else ():
            found |= {f"{path}{name}"} | paths_in(inner, f"{path}{name}.")
    return found


def without_free_keys(event: type[Event], paths: set[str]) -> set[str]:
    """Drop what stands inside money and maps: they are values, not parts of an event."""
    known = field_paths(event)
    parents = {path.rpartition(".")[0] for path in known}
    return {path for path in paths if path in known or path.rpartition(".")[0] in parents | {""}}


def optional_fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each optional field of an event and its parts with its default."""
    for name, field in model.model_fields.items():
        if not field.is_required():
            yield f"{path}{name}", field.get_default(call_default_factory=True)
        for part in parts_of(field):
            yield from optional_fields(part, f"{path}{name}.")


def values_at(document: Any, path: str) -> list[Any]:
    found = [document]
    for name in path.split("."):
        rows = chain.from_iterable(v if isinstance(v, list) else [v] for v in found)
        found = [row[name] for row in rows if isinstance(row, dict) and name in row]
    return found


def test_there_is_a_golden_file_for_each_event_and_no_other() -> None:
    expected = {f"{event_id(e)}{kind}.json" for e in EVENTS for kind in ("", ".minimal")}

    assert {str(file.relative_to(GOLDEN)) for file in GOLDEN.rglob("*.json")} == expected


@every_event
def test_a_full_example_shows_every_field(event: type[Event]) -> None:
    assert without_free_keys(event, paths_in(golden(event))) == field_paths(event)


@every_event
def test_a_full_example_shows_no_default(event: type[Event]) -> None:
    """A default would look the same when the field was lost on the way."""
    only_one_value = {"SettingsChanged": {"customer_id", "name"}}.get(event.__name__, set())
    for path, default in optional_fields(event):
        if path not in only_one_value:
            plain = json.loads(json.dumps(default, default=str))
            assert any(v != plain for v in values_at(golden(event), path)), path


@every_event
def test_a_minimal_example_shows_required_fields_only(event: type[Event]) -> None:
    body = golden(event, ".minimal")
    required = field_paths(event, required_only=True)
    empty = {path for path in required for value in values_at(body, path) if not value}
    inside_empty = {p for p in required if any(p.startswith(f"{e}.") for e in empty)}

    assert without_free_keys(event, paths_in(body)) == required - inside_empty


@both_kinds
@every_event
def test_an_example_follows_the_schema(event: type[Event], kind: str) -> None:
    schema = event_schema(event)
    Draft202012Validator.check_schema(schema)

    validator = Draft202012Validator(schema, format_checker=FormatChecker())

    assert [error.message for error in validator.iter_errors(golden(event, kind))] == []


@every_event
def test_a_full_example_is_written_as_it_was_read(event: type[Event]) -> None:
    message = read(event, golden(event))

    assert message.broken is None
    assert message.event is not None
    assert written(message.event) == golden(event)


@every_event
def test_a_minimal_example_is_read_with_the_defaults(event: type[Event]) -> None:
    body = golden(event, ".minimal")
    message = read(event, body)

    assert message.broken is None
    assert message.event is not None
    assert written(message.event) == written(event.model_validate_json(json.dumps(body)))
    for path, default in optional_fields(event):
        plain = json.loads(json.dumps(default, default=str))
        assert all(value == plain for value in values_at(written(message.event), path)), path
    for name, value in body.items():
        if not isinstance(value, list):
            assert written(message.event)[name] == value


def grown(model: type[BaseModel], value: Any) -> Any:
    """A document with one more field in the event and in each of its parts."""
    if isinstance(value, list):
        return [grown(model, item) for item in value]
    if value is None:
        return None
    inner = {name: parts_of(field) for name, field in model.model_fields.items()}
    return {
        "added_in_2031": {"deep": [1]},
        **{
            name: grown(part, found) if (part := next(iter(inner[name]), None)) else found
            for name, found in value.items()
        },
    }


@every_event
def test_readers_pass_over_fields_they_do_not_know(event: type[Event]) -> None:
    message = read(event, grown(event, golden(event)))

    assert message.broken is None
    assert message.event == read(event, golden(event)).event


@pytest.mark.parametrize(
    ("event", "path"),
    [
        pytest.param(event, path, id=f"{event.TYPE}-{path}")
        for event in EVENTS
        for path in sorted(field_paths(event, required_only=True))
    ],
)
def test_an_event_without_a_required_field_is_broken(event: type[Event], path: str) -> None:
    body = golden(event)
    *parents, name = path.split(".")
    owner = body
    for parent in parents:
        owner = owner[parent][0] if isinstance(owner[parent], list) else owner[parent]
    owner[f"{name}_renamed"] = owner.pop(name)

    message = read(event, body)

    assert message.event is None
    assert message.broken is not None
    assert name in message.broken
    assert "required" in message.broken
    assert message.event_id == EVENT_ID


@every_event
def test_a_reason_never_quotes_values(event: type[Event]) -> None:
    """They may be personal data; dead letters say which field, and the body itself is kept."""
    body = dict.fromkeys(golden(event), "Vera Canary")

    message = read(event, body)

    assert message.broken is not None
    assert "Canary" not in message.broken
