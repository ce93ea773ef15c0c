"""The event streams as an AsyncAPI 3.0 document, written from the event classes themselves.

https://www.asyncapi.com/docs/reference/specification/v3.0.0, with the Kafka bindings 0.5.0.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.events import Event, Topic, topics

__all__ = ["asyncapi_document", "event_schema"]

_JSON = "application/json"
_BINDING = "0.5.0"

_DESCRIPTION = """
What Kontor's services tell each other, and anybody who reads along.

- One channel per topic `<service>.<aggregates>.v<major>`. An installation may put a prefix
  before every topic and group (`KONTOR_TOPIC_PREFIX`); addresses here are without it.
- The body is the event's data as JSON; the CloudEvents 1.0 attributes travel as Kafka headers
  `ce_*`, all of them text in UTF-8.
- Messages of one key keep their order. Delivery is at least once: `ce_id` tells a repeated
  message, `ce_sequence` (the version of the aggregate) an overtaken one.
- Inside a major version only optional fields are added, so readers ignore what they do not know.
- Money is `{"amount": "129.00", "currency": "CHF"}`, never a float. Periods are half-open
  `[start, end)` in local dates of the customer's zone.
- Personal data is on topics of the customers service only.
- What a consumer can never handle goes to `<topic>.<group>.dlq`, see the channel `deadLetters`.
"""

_DEAD_LETTER_HEADERS: Mapping[str, str] = {
    "kontor_reason": "Why the message can not be handled: fields and rules, never values.",
    "kontor_consumer": "The consumer group, without the installation's prefix.",
    "kontor_topic": "The topic it came from, without the installation's prefix.",
    "kontor_partition": "The partition it came from.",
    "kontor_offset": "The offset it came from.",
    "kontor_complete": "`false` where the record was too large to be sent with its body.",
    "kontor_died_at": "When it was given up (RFC 3339).",
}


def asyncapi_document(
    *, version: str, groups: Mapping[Topic, Sequence[str]], retention_ms: int
) -> dict[str, Any]:
    """Build the document over all topics.

    Args:
        groups: the consumer groups of a topic, without an installation's prefix.
        retention_ms: how long topics that are not compacted keep a message.
    """
    catalogue = {t: dict(sorted(types.items())) for t, types in _sorted(topics())}
    events = [event for types in catalogue.values() for event in types.values()]
    payloads, definitions = models_json_schema(
        [(event, "validation") for event in events], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kontor events",
            "version": version,
            "description": cleandoc(_DESCRIPTION),
        },
        "defaultContentType": _JSON,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The installation's brokers (`KONTOR_KAFKA_BOOTSTRAP`).",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {
            **{
                _id(topic): _channel(topic, types.values(), groups.get(topic, ()), retention_ms)
                for topic, types in catalogue.items()
            },
            "deadLetters": _dead_letters(catalogue, groups),
        },
        "operations": {
            f"send_{_id(topic)}": {
                "action": "send",
                "channel": _ref("channels", _id(topic)),
                "summary": f"The {topic.owner} service publishes here, nobody else.",
                "tags": [{"name": topic.owner}],
            }
            for topic in catalogue
        },
        "components": {
            "messages": {
                **{
                    event.__name__: _message(event, payloads[event, "validation"])
                    for event in events
                },
                "DeadLetter": _dead_letter_message(),
            },
            "schemas": dict(sorted(definitions["$defs"].items())),
        },
    }


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON schema of one event's body, as its readers need it."""
    return event.model_json_schema(mode="validation")


def _sorted(
    catalogue: Mapping[Topic, Mapping[str, type[Event]]],
) -> Iterable[tuple[Topic, Mapping[str, type[Event]]]]:
    return sorted(catalogue.items(), key=lambda item: item[0].name)


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "/".join(["#", *path])}


def _id(topic: Topic) -> str:
    """Generators make names of these, and not all of them know what to do with dots."""
    return re.sub(r"\W", "_", topic.name)


def _channel(
    topic: Topic, events: Iterable[type[Event]], groups: Sequence[str], retention_ms: int
) -> dict[str, Any]:
    keeping: dict[str, Any] = (
        {"cleanup.policy": ["compact"]}
        if topic.compacted
        else {"cleanup.policy": ["delete"], "retention.ms": retention_ms}
    )
    kept = (
        "the newest message of a key is its whole present state"
        if topic.compacted
        else (f"messages are kept for {retention_ms // 86_400_000} days")
    )
    return {
        "address": topic.name,
        "summary": f"Owned by the {topic.owner} service; {kept}.",
        "messages": {
            event.__name__: _ref("components/messages", event.__name__) for event in events
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": keeping,
                "bindingVersion": _BINDING,
            }
        },
        "tags": [{"name": topic.owner}],
        "x-consumer-groups": sorted(groups),
    }


def _message(event: type[Event], payload: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": event.TYPE,
        "title": event.__name__,
        "contentType": _JSON,
        "headers": _headers(event),
        "payload": payload,
        "bindings": {"kafka": {"key": _key(event), "bindingVersion": _BINDING}},
    }
    if event.__doc__:
        message["description"] = cleandoc(event.__doc__)
    return message


def _headers(event: type[Event]) -> dict[str, Any]:
    """The CloudEvents attributes in the Kafka protocol binding's binary mode."""
    required: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid"},
        "ce_type": {"type": "string", "const": event.TYPE},
        "ce_source": {"type": "string", "const": f"kontor/{event.TOPIC.owner}"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {
            "type": "string",
            "description": f"`{_tracer(event).subject}`: what the event is about.",
        },
        "content-type": {"type": "string", "const": _JSON},
    }
    optional: dict[str, Any] = {
        "ce_correlationid": {
            "type": "string",
            "description": "The request that led to this event, where there was one.",
        },
        "traceparent": {
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
            "description": "The span that later ones hang below (W3C Trace Context).",
        },
    }
    if sequence := _tracer(event).sequence:
        required["ce_sequence"] = {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": f"`{sequence}` of the aggregate; ignore a lower one than seen.",
        }
    return {"type": "object", "required": sorted(required), "properties": required | optional}


def _key(event: type[Event]) -> dict[str, Any]:
    field = _tracer(event).key
    schema = event.model_json_schema()["properties"][field]
    return {
        **{name: schema[name] for name in ("type", "format", "const") if name in schema},
        "description": f"`{field}` of the event.",
    }


def _tracer(event: type[Event]) -> Event:
    """An event whose fields hold their own names: its key tells which field is the key."""
    return event.model_construct(**{name: name for name in event.model_fields})  # type: ignore[arg-type]


def _dead_letters(
    catalogue: Iterable[Topic], groups: Mapping[Topic, Sequence[str]]
) -> dict[str, Any]:
    return {
        "address": "{topic}.{group}.dlq",
        "summary": "Messages that a consumer group of a topic can never handle.",
        "description": (
            "Each consumer group has one such topic per topic it reads. A message goes there, "
            "unchanged, after bounded retries, and does not hold up the others; it can be "
            "replayed from the service that could not handle it."
        ),
        "parameters": {
            "topic": {"enum": [topic.name for topic in catalogue]},
            "group": {
                "enum": sorted({group for found in groups.values() for group in found}),
                "description": "`<service>.<topic>`: each service reads a topic as one group.",
            },
        },
        "messages": {"DeadLetter": _ref("components/messages", "DeadLetter")},
    }


def _dead_letter_message() -> dict[str, Any]:
    return {
        "name": "dead_letter",
        "title": "DeadLetter",
        "summary": "Key, body and headers as they arrived, and why it died.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": sorted(_DEAD_LETTER_HEADERS),
            "properties": {
                name: {"type": "string", "description": meaning}
                for name, meaning in _DEAD_LETTER_HEADERS.items()
            },
        },
        "payload": {"description": "The original body, whatever it is."},
    }
