"""Messages that can not be handled: kept with the reason, out of everybody's way.

Each goes to the service's own `dead_letters` table, from which it can be replayed, and through
the outbox to `<topic>.<group>.dlq`, where other tools can see it. Both are written in the
transaction that claims the message, so its offset is never committed without them. A record that
would be too large to send goes without its body (`kontor_complete: false`); the table has it.
"""

from collections.abc import Sequence
from datetime import datetime

from shared.database import Tx, insert_rows
from shared.messaging.message import Message
from shared.messaging.outbox import add_raw, shard_of
from shared.messaging.tables import dead_letters

__all__ = ["bury", "dead_letter_topic"]

_REASON_MAX_CHARS = 2_000
# The headers below come on top of a record that the broker has taken just so.
_RECORD_MAX_BYTES = 900_000


def dead_letter_topic(topic: str, consumer: str) -> str:
    return f"{topic}.{consumer}.dlq"


async def bury(tx: Tx, consumer: str, messages: Sequence[Message], *, now: datetime) -> None:
    await insert_rows(
        tx,
        dead_letters,
        [
            {
                "consumer": consumer,
                "event_id": message.event_id,
                "key": message.key,
                "topic": message.topic,
                "partition": message.partition,
                "position": message.offset,
                "value": message.value,
                "headers": dict(message.headers),
                "reason": (message.broken or "")[:_REASON_MAX_CHARS],
                "died_at": now,
                "state": "dead",
            }
            for message in messages
        ],
        # Replayed and failed again: dead again, with the new reason.
        on_conflict="ON CONFLICT (consumer, event_id) DO UPDATE SET reason = excluded.reason, "
        "died_at = excluded.died_at, state = excluded.state",
    )
    await add_raw(
        tx,
        [
            {
                "event_id": message.event_id,
                "aggregatetype": dead_letter_topic(message.topic, consumer),
                "aggregateid": message.key,
                "type": message.headers.get("ce_type", ""),
                "payload": message.value if _fits(message) else None,
                "headers": {
                    **_kept_headers(message),
                    "kontor_reason": (message.broken or "")[:_REASON_MAX_CHARS],
                    "kontor_consumer": consumer,
                    "kontor_complete": "true" if _fits(message) else "false",
                    "kontor_topic": message.topic,
                    "kontor_partition": str(message.partition),
                    "kontor_offset": str(message.offset),
                    "kontor_died_at": now.isoformat(),
                },
                "shard": shard_of(message.key),
            }
            for message in messages
        ],
    )


def _fits(message: Message) -> bool:
    headers = sum(len(name) + len(value.encode()) for name, value in message.headers.items())
    return len(message.value or b"") + headers <= _RECORD_MAX_BYTES


def _kept_headers(message: Message) -> dict[str, str]:
    """All headers, or of a record that is too large what tells it from others."""
    if _fits(message):
        return dict(message.headers)
    return {name: message.headers.get(name, "")[:200] for name in ("ce_id", "ce_type", "ce_time")}
