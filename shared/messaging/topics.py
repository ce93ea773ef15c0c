"""Creating topics. Brokers never create them by themselves: a typing error would be a topic."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.events import Topic, topics
from shared.messaging.dead_letters import dead_letter_topic

__all__ = ["create_topics", "group_of", "owned_topics"]

_DAY_MS = 24 * 60 * 60 * 1000
# Shorter than `inbox` rows are kept, so that what Kafka can still deliver is still known.
RETENTION_MS = 7 * _DAY_MS
_DEAD_LETTER_RETENTION_MS = 30 * _DAY_MS


def group_of(service: str, topic: Topic) -> str:
    return f"{service}.{topic.name}"


def owned_topics(service: str) -> list[Topic]:
    return [topic for topic in topics() if topic.owner == service]


async def create_topics(
    bootstrap: str,
    prefix: str,
    service: str,
    consumed: Iterable[Topic],
    *,
    partitions: int,
    replication_factor: int,
) -> None:
    """Create what is missing of a service's own topics, its dead letters, and what it consumes.

    The latter too, so that services can be brought up in any order.
    """
    consumed = list(consumed)
    wanted = {
        topic.name: {"cleanup.policy": "compact"}
        if topic.compacted
        else {"retention.ms": str(RETENTION_MS)}
        for topic in [*owned_topics(service), *consumed]
    }
    wanted |= {
        dead_letter_topic(topic.name, group_of(service, topic)): {
            "retention.ms": str(_DEAD_LETTER_RETENTION_MS)
        }
        for topic in consumed
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [
                NewTopic(f"{prefix}{name}", partitions, replication_factor, topic_configs=configs)
                for name, configs in wanted.items()
            ]
        )
        for name, code, *message in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(f"{name}: {message}")
    finally:
        await admin.close()
