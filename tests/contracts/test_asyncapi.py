"""The AsyncAPI document is well-formed, and tells what is really on the topics.

No package on PyPI ships AsyncAPI's own schema, so the rules of version 3.0.0 that the document
uses are written down here (https://www.asyncapi.com/docs/reference/specification/v3.0.0).
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from deploy.contracts import ROOT, consumed_topics
from shared.correlation import correlated
from shared.events import Event, topics
from shared.messaging.dead_letters import dead_letter_topic
from shared.messaging.message import Message
from shared.messaging.outbox import _row
from shared.messaging.topics import RETENTION_MS, group_of
from tests.contracts.catalogue import EVENTS, event_id, golden

every_event = pytest.mark.parametrize("event", EVENTS, ids=event_id)

DOCUMENT: Final[dict[str, Any]] = json.loads((ROOT / "docs/api/asyncapi.json").read_text("utf-8"))

# -- the rules -----------------------------------------------------------------------------------


def fixed(required: list[str], /, **fields: Any) -> dict[str, Any]:
    """An AsyncAPI object: these fields, and extensions `x-...`."""
    return {
        "type": "object",
        "required": required,
        "properties": fields,
        "patternProperties": {r"^x-[\w.-]+$": {}},
        "additionalProperties": False,
    }


def mapping(values: Any) -> dict[str, Any]:
    """A map; its keys are what code generators make names of."""
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]*$"},
        "additionalProperties": values,
    }


TEXT: Final = {"type": "string", "minLength": 1}
TEXTS: Final = {"type": "array", "items": TEXT, "uniqueItems": True}
TAGS: Final = {"type": "array", "items": fixed(["name"], name=TEXT)}
REFERENCE: Final = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "additionalProperties": False,
}
# AsyncAPI's schemas are a superset of JSON Schema draft 07.
SCHEMA: Final = Draft7Validator.META_SCHEMA
SCHEMA_OBJECT: Final = {"allOf": [SCHEMA, {"type": "object"}]}
KAFKA: Final = {"const": "0.5.0"}
RULES: Final = fixed(
    ["asyncapi", "info"],
    asyncapi={"const": "3.0.0"},
    info=fixed(["title", "version"], title=TEXT, version=TEXT, description=TEXT),
    defaultContentType=TEXT,
    servers=mapping(
        fixed(
            ["host", "protocol"],
            host=TEXT,
            protocol={"const": "kafka"},
            description=TEXT,
            variables=mapping(fixed([], default=TEXT, description=TEXT, enum=TEXTS)),
        )
    ),
    channels=mapping(
        fixed(
            ["address", "messages"],
            address=TEXT,
            summary=TEXT,
            description=TEXT,
            messages=mapping(REFERENCE),
            parameters=mapping(fixed([], enum=TEXTS, default=TEXT, description=TEXT)),
            bindings=fixed(
                ["kafka"],
                kafka=fixed(
                    ["bindingVersion"],
                    topic=TEXT,
                    partitions={"type": "integer", "minimum": 1},
                    replicas={"type": "integer", "minimum": 1},
                    topicConfiguration={
                        "type": "object",
                        "properties": {
                            "cleanup.policy": {
                                "type": "array",
                                "items": {"enum": ["compact", "delete"]},
                            },
                            "retention.ms": {"type": "integer", "minimum": -1},
                        },
                        "additionalProperties": False,
                    },
                    bindingVersion=KAFKA,
                ),
            ),
            tags=TAGS,
        )
    ),
    operations=mapping(
        fixed(
            ["action", "channel"],
            action={"enum": ["send", "receive"]},
            channel=REFERENCE,
            summary=TEXT,
            tags=TAGS,
        )
    ),
    components=fixed(
        [],
        messages=mapping(
            fixed(
                [],
                name=TEXT,
                title=TEXT,
                summary=TEXT,
                description=TEXT,
                contentType=TEXT,
                headers={
                    "allOf": [SCHEMA_OBJECT, {"required": ["type", "properties"]}],
                    "properties": {"type": {"const": "object"}},
                },
                payload={"anyOf": [REFERENCE, SCHEMA_OBJECT]},
                bindings=fixed(
                    ["kafka"],
                    kafka=fixed(["bindingVersion"], key=SCHEMA_OBJECT, bindingVersion=KAFKA),
                ),
            )
        ),
        schemas=mapping(SCHEMA_OBJECT),
    ),
)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolved(document: Any, reference: str) -> Any:
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def problems(document: Any) -> list[str]:
    """What is wrong with an AsyncAPI document."""
    found = [error.message for error in Draft7Validator(RULES).iter_errors(document)]
    for reference in references(document):
        try:
            resolved(document, reference)
        except KeyError:
            found.append(f"{reference} leads nowhere")
    for channel in document.get("channels", {}).values():
        named = set(re.findall(r"\{(\w+)\}", channel.get("address", "")))
        if named != set(channel.get("parameters", {})):
            found.append(f"{channel['address']} and its parameters differ")
    return found


def test_the_document_is_valid() -> None:
    assert problems(DOCUMENT) == []


def put(path: str, value: Any) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        *parents, last = path.split("/")
        for name in parents:
            node = node[name]
        node[last] = value

    return change


INVOICES = "channels/billing_invoices_v1"


@pytest.mark.parametrize(
    "change",
    [
        put("asyncapi", "2.6.0"),
        put("info", {"title": "Kontor"}),
        put("publish", {}),
        put("operations/send_billing_invoices_v1/action", "publish"),
        put("operations/send_billing_invoices_v1/channel", {"$ref": "#/channels/none"}),
        put("operations/send_billing_invoices_v1/message", {}),
        put(f"{INVOICES}/publish", {}),
        put(f"{INVOICES}/address", "billing.{topic}.v1"),
        put(f"{INVOICES}/bindings/kafka/topicConfiguration/cleanup.policy", "compact"),
        put(f"{INVOICES}/bindings/kafka/partitions", "6"),
        put("channels/deadLetters/parameters/topic/schema", {"type": "string"}),
        put("components/messages/InvoicePaid/headers", "ce_id"),
        put("components/messages/InvoicePaid/payload", {"$ref": "#/components/schemas/None"}),
        put("components/schemas/InvoicePaid/type", "strin"),
        put("components/schemas/Invoice.Paid", {"type": "object"}),
    ],
)
def test_a_wrong_document_would_be_noticed(change: Callable[[Any], None]) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)

    assert problems(document) != []


# -- it tells the truth --------------------------------------------------------------------------


def message_of(event: type[Event]) -> Any:
    return DOCUMENT["components"]["messages"][event.__name__]


def channel_of(event: type[Event]) -> Any:
    address = event.TOPIC.name
    return next(c for c in DOCUMENT["channels"].values() if c["address"] == address)


def test_each_topic_is_a_channel_with_its_owner_as_the_only_sender() -> None:
    senders = {
        resolved(DOCUMENT, operation["channel"]["$ref"])["address"]: operation["tags"][0]["name"]
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == "send"
    }

    assert senders == {topic.name: topic.owner for topic in topics()}
    assert len(DOCUMENT["operations"]) == len(senders)
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {topic.name for topic in topics()} | {"{topic}.{group}.dlq"}


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_a_channel_has_exactly_the_messages_of_its_topic(topic: Any) -> None:
    channel = channel_of(next(iter(topics()[topic].values())))
    named = {resolved(DOCUMENT, m["$ref"])["name"] for m in channel["messages"].values()}

    assert named == set(topics()[topic])


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_a_channel_says_how_its_topic_keeps_messages(topic: Any) -> None:
    binding = channel_of(next(iter(topics()[topic].values())))["bindings"]["kafka"]

    assert binding["topic"] == topic.name
    assert binding["topicConfiguration"] == (
        {"cleanup.policy": ["compact"]}
        if topic.compacted
        else {"cleanup.policy": ["delete"], "retention.ms": RETENTION_MS}
    )


@pytest.mark.parametrize("kind", ["", ".minimal"])
@every_event
def test_key_and_headers_are_what_the_outbox_writes(event: type[Event], kind: str) -> None:
    """Down to the last header: one that the document does not know fails as well."""
    example = event.model_validate_json(json.dumps(golden(event, kind)))
    ids = UUID("0199f3a5-0000-7000-8000-000000000001")
    with correlated("req-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        row = _row(example, datetime(2026, 1, 31, tzinfo=UTC).isoformat(), lambda: ids)
    message = message_of(event)

    strict = {**message["headers"], "additionalProperties": False}
    checked = Draft202012Validator(strict, format_checker=FormatChecker())
    assert [error.message for error in checked.iter_errors(row["headers"])] == []
    assert set(message["headers"]["properties"]) == set(row["headers"])
    key = message["bindings"]["kafka"]["key"]
    keys = Draft202012Validator(key, format_checker=FormatChecker())
    assert [error.message for error in keys.iter_errors(row["aggregateid"])] == []
    field = key["description"].split("`")[1]
    assert str(getattr(example, field)) == row["aggregateid"]
    subject = message["headers"]["properties"]["ce_subject"]["description"].split("`")[1]
    assert str(getattr(example, subject)) == row["headers"]["ce_subject"]


@pytest.mark.parametrize("kind", ["", ".minimal"])
@every_event
def test_the_payload_schema_describes_the_body(event: type[Event], kind: str) -> None:
    schema = {**message_of(event)["payload"], "components": DOCUMENT["components"]}
    checked = Draft202012Validator(schema, format_checker=FormatChecker())

    assert [error.message for error in checked.iter_errors(golden(event, kind))] == []
    assert list(checked.iter_errors({})) != []


def test_the_consumer_groups_and_dead_letters_are_those_of_the_services() -> None:
    groups = {
        (topic.name, group_of(service, topic))
        for service, consumed in consumed_topics().items()
        for topic in consumed
    }
    told = {
        (channel["address"], group)
        for channel in DOCUMENT["channels"].values()
        for group in channel.get("x-consumer-groups", ())
    }
    dead = DOCUMENT["channels"]["deadLetters"]

    assert told == groups
    assert set(dead["parameters"]["group"]["enum"]) == {group for _, group in groups}
    for topic, group in groups:
        expected = dead["address"].replace("{topic}", topic).replace("{group}", group)
        assert dead_letter_topic(topic, group) == expected


async def test_a_dead_letter_has_the_headers_that_are_documented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from shared.messaging import dead_letters  # noqa: PLC0415 - patched here

    rows: list[dict[str, Any]] = []

    async def keep(_tx: Any, added: list[dict[str, Any]]) -> None:
        rows.extend(added)

    async def nothing(*_: Any, **__: Any) -> int:
        return 0

    monkeypatch.setattr(dead_letters, "add_raw", keep)
    monkeypatch.setattr(dead_letters, "insert_rows", nothing)
    died = Message("t", 1, 2, "key", b"{", {}, UUID(int=1), broken="body: not JSON")
    await dead_letters.bury(object(), "g", [died], now=datetime(2026, 1, 31, tzinfo=UTC))  # type: ignore[arg-type]

    documented = DOCUMENT["components"]["messages"]["DeadLetter"]["headers"]
    assert set(rows[0]["headers"]) == set(documented["required"]) == set(documented["properties"])
