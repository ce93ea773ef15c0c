"""The tables of this package. Every service's database has its own set of them."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata

__all__ = ["dead_letters", "inbox", "metadata", "outbox", "parked_messages"]

metadata = new_metadata()

# Columns as Debezium's outbox event router expects them, so that it can take the relay's place.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Index("ix_outbox_shard_id", "shard", "id"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Index("ix_inbox_seen_at", "seen_at"),
)

parked_messages = Table(
    "parked_messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("value", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Index("uq_parked_messages_consumer_event_id", "consumer", "event_id", unique=True),
    Index("ix_parked_messages_key_consumer", "key", "consumer"),
    Index("ix_parked_messages_consumer_next_at_id", "consumer", "next_at", "id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("key", Text),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("value", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("died_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),  # dead, replayed, discarded
    Column("resolved_by", Text),
    Column("resolved_at", DateTime(timezone=True)),
    Index("uq_dead_letters_consumer_event_id", "consumer", "event_id", unique=True),
    Index("ix_dead_letters_state_id", "state", "id"),
)
