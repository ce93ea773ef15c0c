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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata
from shared.due_work import due_work_columns, due_work_index

__all__ = [
    "balance_entries",
    "balance_lots",
    "balance_postings",
    "credit_balances",
    "credit_note_lines",
    "credit_notes",
    "customers",
    "documents",
    "invoice_lines",
    "invoices",
    "metadata",
    "number_series",
    "payments",
    "seller_settings",
    "withdrawn_requests",
    "withdrawn_subscriptions",
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

_OWED = "total_minor - credited_minor - credit_used_minor - paid_minor + surplus_minor"

invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("request_id", Uuid),
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
    Column("credited_minor", BigInteger, nullable=False),
    Column("credit_used_minor", BigInteger, nullable=False),
    Column("surplus_minor", BigInteger, nullable=False),
    Column("settlement", Integer, nullable=False),
    Column("vat", JSONB, nullable=False),
    Column("seller", JSONB, nullable=False),
    Column("buyer", JSONB, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("paid_at", DateTime(timezone=True)),
    Column("voided_at", DateTime(timezone=True)),
    # Deferred: the replaced one is written first, which makes room for its request's next invoice.
    Column("replaced_by", ForeignKey("invoices.id", deferrable=True, initially="DEFERRED")),
    Index(
        "uq_invoices_request_id",
        "request_id",
        unique=True,
        postgresql_where=text("replaced_by IS NULL"),
    ),
    Index("ix_invoices_customer_id_opened_at_id", "customer_id", "opened_at", "id"),
    Index("ix_invoices_opened_at_id", "opened_at", "id"),
    CheckConstraint("state IN ('draft', 'open', 'paid', 'void', 'credited')", name="state"),
    CheckConstraint(
        "least(paid_minor, credited_minor, surplus_minor, total_minor - credit_used_minor, "
        "credit_used_minor) >= 0",
        name="amounts",
    ),
    CheckConstraint(
        f"CASE state WHEN 'open' THEN {_OWED} > 0 WHEN 'paid' THEN {_OWED} = 0 "
        f"WHEN 'credited' THEN {_OWED} = 0 WHEN 'void' THEN paid_minor = 0 ELSE true END",
        name="owed",
    ),
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
    Column("credited_minor", BigInteger, nullable=False),
    CheckConstraint(
        "credited_minor BETWEEN least(total_minor, 0) AND greatest(total_minor, 0)",
        name="credited",
    ),
)

# Nobody waits for these lines any more; the request itself may come later, or never.
withdrawn_requests = Table(
    "withdrawn_requests",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("subscription_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("withdrawn_at", DateTime(timezone=True), nullable=False),
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
    Column("reversed_at", DateTime(timezone=True)),
    Column("reversed_by", Text),
    Column("reversal_reason", Text),
    CheckConstraint("amount_minor > 0", name="amount"),
)

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
