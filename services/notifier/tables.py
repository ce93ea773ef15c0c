from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata
from shared.due_work import due_work_columns, due_work_index

__all__ = ["customers", "deliveries", "invoices", "mail_switches", "metadata", "seller_settings"]

metadata = new_metadata()

customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", JSONB, nullable=False),
)

seller_settings = Table(
    "seller_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
)

# What a mail about an invoice needs to know, from `invoice.opened` and `invoice.voided`.
invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("voided_at", DateTime(timezone=True)),
    Column("replaced_by", Uuid),
)

# Which kinds of mail go out by themselves; one that is not here does.
mail_switches = Table(
    "mail_switches",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
)

# Due work: one logical mail per (event, kind), written before anything is sent.
deliveries = Table(
    "deliveries",
    metadata,
    *due_work_columns(),
    Column("customer_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source_id", Uuid, nullable=False),
    Column("invoice_id", ForeignKey("invoices.id")),
    # While it waits: the credit note or the document whose PDF is not stored yet.
    Column("awaits", Uuid),
    Column("resend", Boolean, nullable=False),
    Column("content", JSONB),
    Column("storage_key", Text),
    Column("filename", Text),
    Column("message_id", Text, nullable=False, unique=True),
    Column("recipient", Text),
    Column("subject", Text),
    Column("last_error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    UniqueConstraint("source_id", "kind"),
    CheckConstraint("state IN ('waiting', 'due', 'sent', 'parked', 'withdrawn')", name="state"),
    Index("ix_deliveries_awaits", "awaits", postgresql_where=text("state = 'waiting'")),
    Index("ix_deliveries_invoice_id", "invoice_id"),
    Index("ix_deliveries_customer_id_created_at_id", "customer_id", "created_at", "id"),
    Index("ix_deliveries_created_at_id", "created_at", "id"),
    due_work_index("deliveries"),
)
