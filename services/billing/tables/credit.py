"""Credit notes and the balance of each customer."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
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

from services.billing.tables.metadata import metadata

__all__ = [
    "balance_entries",
    "balance_lots",
    "balance_postings",
    "credit_balances",
    "credit_note_lines",
    "credit_notes",
    "withdrawn_subscriptions",
]

credit_notes = Table(
    "credit_notes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False, index=True),
    Column("number", Text, nullable=False, unique=True),
    Column("currency", Text, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Uuid),
    Column("vat", JSONB, nullable=False),
    Column("vat_minor", BigInteger, nullable=False),
    Column("rounding_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("to_balance_minor", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Index("ix_credit_notes_created_at_id", "created_at", "id"),
    # A withdrawn request may come in parts; one for credit is one credit note.
    Index(
        "uq_credit_notes_request_id",
        "request_id",
        unique=True,
        postgresql_where=text("cause = 'request'"),
    ),
    CheckConstraint("cause IN ('operator', 'request', 'withdrawal')", name="cause"),
    CheckConstraint(
        "total_minor >= 0 AND to_balance_minor BETWEEN 0 AND total_minor", name="total"
    ),
)

credit_note_lines = Table(
    "credit_note_lines",
    metadata,
    Column("credit_note_id", ForeignKey("credit_notes.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("explanation", Text, nullable=False),
)

# The projection of the ledger below, and the row that is locked when the balance changes.
credit_balances = Table(
    "credit_balances",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("balance_minor", BigInteger, nullable=False),
    CheckConstraint("balance_minor >= 0", name="balance"),
)

balance_entries = Table(
    "balance_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("balance_minor", BigInteger, nullable=False),
    Column("invoice_id", ForeignKey("invoices.id"), index=True),
    Column("subscription_id", Uuid),
    Column("credit_note_id", ForeignKey("credit_notes.id")),
    Column("payment_id", ForeignKey("payments.id")),
    Column("note", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("made_by", Text, nullable=False),
    Index("ix_balance_entries_customer_id_at_id", "customer_id", "at", "id"),
    Index("ix_balance_entries_at_id", "at", "id"),
    UniqueConstraint("customer_id", "currency", "version"),
    CheckConstraint(
        "origin IN ('credit_note', 'overpayment', 'invoice', 'invoice_voided', 'refund', "
        "'forfeit')",
        name="origin",
    ),
)

# Double entry: those of one entry sum to zero, which a trigger checks at the commit. What is put
# into the balance, and what is taken out, names the lot.
balance_postings = Table(
    "balance_postings",
    metadata,
    Column("entry_id", ForeignKey("balance_entries.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("lot_id", ForeignKey("balance_entries.id")),
    Column("amount_minor", BigInteger, nullable=False),
    CheckConstraint(
        "account IN ('balance', 'invoice', 'refund', 'forfeit') "
        "AND (account = 'balance') = (lot_id IS NOT NULL)",
        name="account",
    ),
)

# What is left of each entry that brought money in: a projection, too.
balance_lots = Table(
    "balance_lots",
    metadata,
    Column("id", ForeignKey("balance_entries.id"), primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("subscription_id", Uuid),
    Column("invoice_id", ForeignKey("invoices.id")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("left_minor", BigInteger, nullable=False),
    Index("ix_balance_lots_customer_id_currency", "customer_id", "currency"),
    Index("ix_balance_lots_subscription_id", "subscription_id"),
    Index(
        "ix_balance_lots_invoice_id", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")
    ),
    CheckConstraint("left_minor BETWEEN 0 AND amount_minor", name="left"),
)

# What is credited after it is forfeited at once, whichever topic was faster.
withdrawn_subscriptions = Table(
    "withdrawn_subscriptions",
    metadata,
    Column("subscription_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("withdrawn_at", DateTime(timezone=True), nullable=False),
)
