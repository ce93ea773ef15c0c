"""Invoices, their lines, and the numbers that make them final."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from services.billing.tables.metadata import NO_PENDING_LIST, metadata

__all__ = [
    "LATE_DAYS",
    "invoice_lines",
    "invoice_titles",
    "invoices",
    "number_series",
    "withdrawn_requests",
]

# `next_number` and `last_date` change in the finalising transaction only: gapless, in date order.
number_series = Table(
    "number_series",
    metadata,
    Column("series", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("next_number", BigInteger, nullable=False),
    Column("last_date", Date, nullable=False),
)

# A draft has none of these, a finalised invoice has all.
_FINAL = "number, invoice_date, opened_at"
_SLOT = ("state", "currency")
# Without what most alphabets have on their letters; whose company has no name goes by their own.
_CUSTOMER_NAME = (
    "left(lower(translate(COALESCE(NULLIF(buyer ->> 'company_name', ''), "
    "buyer ->> 'contact_name', ''), 'ÀÁÂÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÛÜàáâäåçèéêëìíîïñòóôöøùúûü', "
    "'aaaaaceeeeiiiinooooouuuuaaaaaceeeeiiiinooooouuuu')), 100)"
)


def _derived(name: str, kind: TypeEngine[Any], expression: str) -> Column[Any]:
    return Column(name, kind, Computed(expression, persisted=True), nullable=False)


LATE_DAYS = 120
"""Whoever has longer than this to pay is found in an index of their own."""
_CARRIED = ["listed_on", "hidden"]
_OWED = "total_minor - credited_minor - credit_used_minor - paid_minor + surplus_minor"

# Of a finalised invoice a trigger refuses to change all but a few columns: see migration 0004.
invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("request_id", Uuid),
    Column("number", Text, unique=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("invoice_date", Date),
    Column("due_date", Date),
    Column("tax_treatment", Text, nullable=False),
    Column("tax_treatment_reason", Text),
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
    Column("addressee", JSONB),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("opened_at", DateTime(timezone=True)),
    Column("paid_at", DateTime(timezone=True)),
    Column("voided_at", DateTime(timezone=True)),
    Column("void_reason", Text),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("corrects", ForeignKey("invoices.id")),
    # Deferred: the replaced one is written first, which makes room for its request's next invoice.
    Column("replaced_by", ForeignKey("invoices.id", deferrable=True, initially="DEFERRED")),
    # What the customer has had of it: mails that were sent, and the first download.
    Column("mails", JSONB),
    Column("downloaded_at", DateTime(timezone=True)),
    Index(
        "uq_invoices_request_id",
        "request_id",
        unique=True,
        postgresql_where=text("replaced_by IS NULL"),
    ),
    # Whoever deletes a draft has to know that nothing refers to it.
    Index("ix_invoices_corrects", "corrects", postgresql_where=text("corrects IS NOT NULL")),
    Index(
        "ix_invoices_replaced_by", "replaced_by", postgresql_where=text("replaced_by IS NOT NULL")
    ),
    # What lists are sorted and searched by, derived by the database. Numbers are given in the order
    # of dates, so lists by date and by number are one; a longer number is a higher one.
    _derived("listed_on", Date(), "COALESCE(invoice_date, (created_at AT TIME ZONE 'UTC')::date)"),
    _derived("due_on", Date(), "COALESCE(due_date, '9999-12-31'::date)"),
    _derived(
        "number_key",
        Text(collation="C"),
        "COALESCE(lpad(length(number)::text, 3, '0') || number, '')",
    ),
    _derived("customer_name", Text(collation="C"), _CUSTOMER_NAME),
    _derived("title_id", Uuid(), "md5(title)::uuid"),
    # One per order: each page of a list is a walk along one of them per state and currency. What a
    # list may be narrowed by is told from the index, without a look at each row.
    Index(
        "ix_invoices_by_date",
        *_SLOT,
        "listed_on",
        "number_key",
        "id",
        postgresql_include=["hidden"],
    ),
    Index("ix_invoices_by_due_date", *_SLOT, "due_on", "id", postgresql_include=_CARRIED),
    Index("ix_invoices_by_amount", *_SLOT, "total_minor", "id", postgresql_include=_CARRIED),
    Index(
        "ix_invoices_by_customer_name", *_SLOT, "customer_name", "id", postgresql_include=_CARRIED
    ),
    Index(
        "ix_invoices_due_late",
        *_SLOT,
        "listed_on",
        "due_on",
        postgresql_where=text(f"due_on > listed_on + {LATE_DAYS}"),
    ),
    Index("ix_invoices_by_title", "title_id", *_SLOT, "listed_on", "number_key", "id"),
    Index("ix_invoices_customer_id", "customer_id", "listed_on", "number_key", "id"),
    Index(
        "ix_invoices_voided_at_id",
        "voided_at",
        "id",
        postgresql_where=text("voided_at IS NOT NULL"),
    ),
    Index(
        "ix_invoices_partly_paid",
        "listed_on",
        postgresql_where=text("state = 'open' AND paid_minor > 0"),
    ),
    CheckConstraint("state IN ('draft', 'open', 'paid', 'void', 'credited')", name="state"),
    CheckConstraint(
        f"CASE state WHEN 'draft' THEN num_nonnulls({_FINAL}, request_id) = 0 "
        f"ELSE num_nulls({_FINAL}, due_date) = 0 END",
        name="final",
    ),
    CheckConstraint("NOT hidden OR state = 'void'", name="hidden"),
    CheckConstraint(
        "least(paid_minor, credited_minor, surplus_minor, "
        "CASE state WHEN 'draft' THEN 0 ELSE total_minor - credit_used_minor END, "
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

# The titles there are, with what they are searched by (see `shared.search`): few, for the invoices
# of one product have one title.
invoice_titles = Table(
    "invoice_titles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("title", Text, nullable=False),
    Column("keys", ARRAY(Integer), nullable=False),
    Index(
        "ix_invoice_titles_keys", "keys", postgresql_using="gin", postgresql_with=NO_PENDING_LIST
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
