from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata
from shared.due_work import due_work_columns, due_work_index

__all__ = [
    "customers",
    "documents",
    "invoice_lines",
    "invoices",
    "metadata",
    "number_series",
    "payments",
    "seller_settings",
]

metadata = new_metadata()

# A copy, fed by events; `state` is the whole customer, from which an invoice takes its snapshot.
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
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

# `next_number` and `last_date` change in the finalising transaction only: gapless, in date order.
number_series = Table(
    "number_series",
    metadata,
    Column("series", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("next_number", BigInteger, nullable=False),
    Column("last_date", Date, nullable=False),
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("request_id", Uuid, unique=True),
    Column("number", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("invoice_date", Date, nullable=False),
    Column("due_date", Date, nullable=False),
    Column("tax_treatment", Text, nullable=False),
    Column("subtotal_minor", BigInteger, nullable=False),
    Column("vat_minor", BigInteger, nullable=False),
    Column("rounding_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("paid_minor", BigInteger, nullable=False),
    Column("settlement", Integer, nullable=False),
    Column("vat", JSONB, nullable=False),
    Column("seller", JSONB, nullable=False),
    Column("buyer", JSONB, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("paid_at", DateTime(timezone=True)),
    Column("voided_at", DateTime(timezone=True)),
    Index("ix_invoices_customer_id_opened_at_id", "customer_id", "opened_at", "id"),
    Index("ix_invoices_opened_at_id", "opened_at", "id"),
    CheckConstraint("state IN ('draft', 'open', 'paid', 'void', 'credited')", name="state"),
    CheckConstraint("paid_minor BETWEEN 0 AND total_minor", name="paid"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column("invoice_id", ForeignKey("invoices.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("quantity", Numeric(18, 6), nullable=False),
    Column("unit", Text, nullable=False),
    Column("unit_price", Numeric(18, 4), nullable=False),
    Column("basis", Text, nullable=False),
    Column("discount_percent", Numeric(7, 4), nullable=False),
    Column("vat_category", Text, nullable=False),
    Column("vat_percent", Numeric(7, 4), nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("subscription_id", Uuid),
    Column("request_id", Uuid),
    Column("cycle", Text),
    Column("period_start", Date),
    Column("period_end", Date),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False, index=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    CheckConstraint("amount_minor > 0", name="amount"),
)

# Due work: each is drawn once, stored under the hash of its content, and then never changes.
documents = Table(
    "documents",
    metadata,
    *due_work_columns(),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("storage_key", Text),
    Column("sha256", Text),
    Column("size_bytes", Integer),
    Column("last_error", Text),
    Column("stored_at", DateTime(timezone=True)),
    UniqueConstraint("invoice_id", "kind"),
    CheckConstraint("state IN ('due', 'stored', 'failed')", name="state"),
    due_work_index("documents"),
)
