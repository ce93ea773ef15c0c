"""What all events have in common.

An event is a fact in the past tense. Its body is the CloudEvents `data`; the attributes travel
as Kafka headers. Inside a major version (the `v1` of a topic) only optional fields are added,
so readers ignore fields they do not know.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

__all__ = ["Event", "Part", "Topic", "topics"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic `<service>.<aggregates>.v<major>`, without an installation's prefix.

    Attributes:
        compacted: the newest message of a key is the whole present state of that key.
    """

    name: str
    compacted: bool = False

    @property
    def owner(self) -> str:
        return self.name.split(".", 1)[0]


_registry: dict[Topic, dict[str, type["Event"]]] = {}


def topics() -> dict[Topic, dict[str, type["Event"]]]:
    """Every topic with its event types, as declared by the modules of this package."""
    return _registry


class Part(BaseModel):
    """A piece of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Part):
    TYPE: ClassVar[str]
    TOPIC: ClassVar[Topic]

    customer_id: UUID

    def __init_subclass__(
        cls, *, type: str | None = None, topic: Topic | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if type and topic:
            cls.TYPE, cls.TOPIC = type, topic
            _registry.setdefault(topic, {})[type] = cls

    @property
    def key(self) -> str:
        """Kafka message key: messages of one key keep their order."""
        return str(self.customer_id)

    @property
    def subject(self) -> str:
        """CloudEvents `subject`: the id of the aggregate the event is about."""
        return self.key

    @property
    def sequence(self) -> int | None:
        """Version of the aggregate after this event; readers ignore a lower one."""
        return getattr(self, "version", None)
