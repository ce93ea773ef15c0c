"""Money that has arrived."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.billing.tables.metadata import metadata

__all__ = ["arrival_entries", "arrivals", "payments", "provider_events", "provider_reversals"]

# What came by itself, from a bank or a provider. It is what its payments hold + left + refunded +
# reversed.
arrivals = Table(
    "arrivals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("customer_id", ForeignKey("customers.id")),
    Column("invoice_id", ForeignKey("invoices.id")),
    Column("named", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text),
    Column("left_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("reversed_minor", BigInteger, nullable=False),
    UniqueConstraint("source", "reference"),
    Index(
        "ix_arrivals_unallocated",
        "state",
        "arrived_at",
        "id",
        postgresql_where=text("why IS NOT NULL"),
    ),
    Index("ix_arrivals_invoice_id", "invoice_id"),
    CheckConstraint("state IN ('booked', 'open', 'assigned', 'refunded')", name="state"),
    CheckConstraint(
        "amount_minor > 0 AND least(left_minor, refunded_minor, reversed_minor) >= 0 "
        "AND left_minor + refunded_minor + reversed_minor <= amount_minor "
        "AND (left_minor > 0) = (state = 'open')",
        name="amounts",
    ),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False, index=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("arrival_id", ForeignKey("arrivals.id")),
    Column("amount_minor", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("reversed_at", DateTime(timezone=True)),
    Column("reversed_by", Text),
    Column("reversal_reason", Text),
    Index("ix_payments_arrival_id", "arrival_id", postgresql_where=text("arrival_id IS NOT NULL")),
    Index("ix_payments_recorded_at_id", "recorded_at", "id"),
    Index(
        "ix_payments_reversed_at_id",
        "reversed_at",
        "id",
        postgresql_where=text("reversed_at IS NOT NULL"),
    ),
    CheckConstraint("amount_minor > 0", name="amount"),
)

# What became of a part that was unallocated.
arrival_entries = Table(
    "arrival_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("arrival_id", ForeignKey("arrivals.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("payment_id", ForeignKey("payments.id"), unique=True),
    Column("note", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("made_by", Text, nullable=False),
    Index("ix_arrival_entries_at_id", "at", "id"),
    CheckConstraint(
        "kind IN ('assigned', 'refunded', 'reversed') AND amount_minor > 0 "
        "AND (kind = 'assigned') = (payment_id IS NOT NULL)",
        name="kind",
    ),
)

# Messages of providers that had their effect: the same one comes again.
provider_events = Table(
    "provider_events",
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

# What a source has taken back in all, by refund or dispute; it may say so before it says that the
# money has come. NULL: all of it.
provider_reversals = Table(
    "provider_reversals",
    metadata,
    Column("source", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("reversal", Text, primary_key=True),
    Column("currency", Text),
    Column("amount_minor", BigInteger),
    Column("reason", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)
