"""The gate: inside a major version an event only gains optional fields."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import contracts
from deploy.contracts import (
    PUBLISHED,
    ROOT,
    breaking_changes,
    main,
    published_schemas,
)
from shared.events import Event
from shared.events.asyncapi import event_schema
from shared.events.billing import InvoiceOpened, SettingsChanged
from shared.events.subscriptions import EntitlementsChanged, InvoiceRequested
from tests.contracts.catalogue import EVENTS, event_id

FILES = sorted(file.relative_to(ROOT) for file in (ROOT / PUBLISHED).glob("*/*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_readers_of_a_published_event_can_read_it_still(path: Path) -> None:
    assert path in published_schemas(), "a published event was removed"
    current = json.loads(published_schemas()[path])
    published = json.loads((ROOT / path).read_text("utf-8"))

    assert breaking_changes(published, current) == []


@pytest.mark.parametrize("event", EVENTS, ids=event_id)
def test_each_event_is_published_as_it_is_now(event: type[Event]) -> None:
    path = PUBLISHED / event.TOPIC.name / f"{event.TYPE}.json"

    assert (ROOT / path).exists(), f"{path} is missing: run `make contracts`"
    assert (ROOT / path).read_text("utf-8") == published_schemas()[path], "run `make contracts`"


# -- the gate itself: each kind of change, made to a real schema -------------------------------


def definition(name: str) -> Callable[[Any], Any]:
    return lambda schema: schema["$defs"][name]


def top(schema: Any) -> Any:
    return schema


def changed(
    event: type[Event], change: Callable[[Any], None], at: Callable[[Any], Any] = top
) -> list[str]:
    published = event_schema(event)
    current = copy.deepcopy(published)
    change(at(current))
    return breaking_changes(published, current)


def put(path: str, value: Any) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        *parents, last = path.split("/")
        for name in parents:
            node = node[int(name) if isinstance(node, list) else name]
        node[last] = value

    return change


def drop(name: str) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        del node["properties"][name]
        if name in node.get("required", ()):
            node["required"].remove(name)

    return change


def require(name: str) -> Callable[[Any], None]:
    return lambda node: node.setdefault("required", []).append(name)


def no_longer_require(name: str) -> Callable[[Any], None]:
    return lambda node: node["required"].remove(name)


def both(*changes: Callable[[Any], None]) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        for each in changes:
            each(node)

    return change


LINE = definition("RequestedLine")
NEW = put("properties/purchase_order", {"type": "string", "default": ""})


@pytest.mark.parametrize(
    ("event", "change", "at", "said"),
    [
        (InvoiceOpened, drop("number"), top, "number was removed"),
        (InvoiceOpened, drop("request_id"), top, "request_id was removed"),
        (InvoiceRequested, drop("title"), LINE, "lines[].title was removed"),
        (
            InvoiceRequested,
            drop("end"),
            definition("EventPeriod"),
            "lines[].period.end was removed",
        ),
        (
            InvoiceOpened,
            both(NEW, require("purchase_order")),
            top,
            "purchase_order was added as a required field",
        ),
        (
            InvoiceRequested,
            both(NEW, require("purchase_order")),
            LINE,
            "lines[].purchase_order was added as a required field",
        ),
        (InvoiceOpened, require("request_id"), top, "request_id became required"),
        (InvoiceOpened, no_longer_require("number"), top, "number became optional"),
        (
            InvoiceOpened,
            put("properties/version/type", "string"),
            top,
            "version changed from integer to string",
        ),
        (
            InvoiceOpened,
            put("properties/number/anyOf", [{"type": "string"}, {"type": "null"}]),
            top,
            "number changed from string to null or string",
        ),
        (
            InvoiceOpened,
            put("properties/due_date/format", "date-time"),
            top,
            'due_date changed from string {"format": "date"} to string {"format": "date-time"}',
        ),
        (
            EntitlementsChanged,
            put("properties/features/additionalProperties/anyOf", [{"type": "boolean"}]),
            top,
            "features{} changed from boolean or string to boolean",
        ),
        (
            SettingsChanged,
            put("properties/registrations/items/type", "integer"),
            top,
            "registrations[] changed from string to integer",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_gate_stops(
    event: type[Event], change: Callable[[Any], None], at: Callable[[Any], Any], said: str
) -> None:
    assert said in changed(event, change, at)


def test_the_gate_stops_a_new_word_where_readers_know_a_fixed_set() -> None:
    words = put("properties/reason/enum", ["booking", "change", "renewal", "dunning"])

    assert changed(InvoiceRequested, words) == [
        (
            'reason changed from string {"enum": ["booking", "change", "renewal"]} '
            'to string {"enum": ["booking", "change", "renewal", "dunning"]}'
        )
    ]


@pytest.mark.parametrize(
    ("event", "change", "at"),
    [
        (InvoiceOpened, NEW, top),
        (InvoiceRequested, NEW, LINE),
        (
            InvoiceOpened,
            put("properties/tags", {"type": "array", "items": {"type": "string"}, "default": []}),
            top,
        ),
        (
            InvoiceOpened,
            put(
                "properties/place",
                {
                    "anyOf": [
                        {
                            "type": "object",
                            "required": ["country"],
                            "properties": {"country": {"type": "string"}},
                        },
                        {"type": "null"},
                    ],
                    "default": None,
                },
            ),
            top,
        ),
        (InvoiceOpened, put("description", "Said better."), top),
        (InvoiceOpened, put("properties/number/title", "No."), top),
    ],
    ids=["field", "field of a line", "list", "part with required fields", "words", "title"],
)
def test_the_gate_lets_pass(
    event: type[Event], change: Callable[[Any], None], at: Callable[[Any], Any]
) -> None:
    assert changed(event, change, at) == []


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `make contracts` has run once."""
    monkeypatch.setattr(contracts, "ROOT", tmp_path)
    monkeypatch.setattr(contracts, "documents", lambda: {Path("docs/api/routes.md"): "routes"})
    main([])
    return tmp_path


def test_writing_is_refused_while_it_would_break_readers(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PUBLISHED / InvoiceOpened.TOPIC.name / "invoice.opened.json"
    before = (workplace / path).read_text("utf-8")
    current = {p: text for p, text in published_schemas().items() if p != path}
    schema = event_schema(InvoiceOpened)
    drop("number")(schema)
    monkeypatch.setattr(
        contracts, "published_schemas", lambda: {**current, path: json.dumps(schema)}
    )

    with pytest.raises(SystemExit, match="number was removed"):
        main([])
    assert (workplace / path).read_text("utf-8") == before

    main(["--accept-breaking"])
    assert json.loads((workplace / path).read_text("utf-8")) == schema


def test_an_event_can_not_be_dropped_in_silence(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PUBLISHED / InvoiceOpened.TOPIC.name / "invoice.opened.json"
    current = {p: text for p, text in published_schemas().items() if p != path}
    monkeypatch.setattr(contracts, "published_schemas", lambda: current)

    with pytest.raises(SystemExit, match=r"invoice\.opened\.json: the event was removed"):
        main([])
    assert (workplace / path).exists()

    main(["--accept-breaking"])
    assert not (workplace / path).exists()


def test_a_new_optional_field_is_published_by_writing_again(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PUBLISHED / InvoiceOpened.TOPIC.name / "invoice.opened.json"
    schema = event_schema(InvoiceOpened)
    NEW(schema)
    monkeypatch.setattr(
        contracts, "published_schemas", lambda: {**published_schemas(), path: json.dumps(schema)}
    )

    main([])

    assert json.loads((workplace / path).read_text("utf-8")) == schema
