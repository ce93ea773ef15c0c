"""billing: lists of invoices, and money that arrives by itself"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.billing.domain.lists import customer_keys, title_keys
from shared.migrations.unchanging import drop_unchanging, keep_unchanged

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SLOT = ["state", "currency"]
_CUSTOMER_NAME = (
    "left(lower(translate(COALESCE(NULLIF(buyer ->> 'company_name', ''), "
    "buyer ->> 'contact_name', ''), 'ÀÁÂÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÛÜàáâäåçèéêëìíîïñòóôöøùúûü', "
    "'aaaaaceeeeiiiinooooouuuuaaaaaceeeeiiiinooooouuuu')), 100)"
)
_DERIVED: dict[str, tuple[Any, str]] = {
    "listed_on": (sa.Date(), "COALESCE(invoice_date, (created_at AT TIME ZONE 'UTC')::date)"),
    "due_on": (sa.Date(), "COALESCE(due_date, '9999-12-31'::date)"),
    "number_key": (
        sa.Text(collation="C"),
        "COALESCE(lpad(length(number)::text, 3, '0') || number, '')",
    ),
    "customer_name": (sa.Text(collation="C"), _CUSTOMER_NAME),
    "title_id": (sa.Uuid(), "md5(title)::uuid"),
}
_INDEXES = {
    "ix_invoices_by_date": [*_SLOT, "listed_on", "number_key", "id"],
    "ix_invoices_by_due_date": [*_SLOT, "due_on", "id"],
    "ix_invoices_by_amount": [*_SLOT, "total_minor", "id"],
    "ix_invoices_by_customer_name": [*_SLOT, "customer_name", "id"],
    "ix_invoices_by_title": ["title_id", *_SLOT, "listed_on", "number_key", "id"],
    "ix_invoices_customer_id": ["customer_id", "listed_on", "number_key", "id"],
}
# What lists are narrowed by is told from the index, without a look at each row.
_CARRIED = {
    "ix_invoices_by_date": ["hidden"],
    "ix_invoices_by_due_date": ["listed_on", "hidden"],
    "ix_invoices_by_amount": ["listed_on", "hidden"],
    "ix_invoices_by_customer_name": ["listed_on", "hidden"],
}
# What a journal of a period walks along.
_JOURNAL = {"balance_entries": "at", "credit_notes": "created_at"}


_ONCE_FINALISED = "OLD.state <> 'draft'"


def _living() -> set[str]:
    """What may change of a finalised invoice, as the revision before has it."""
    return {
        "state", "version", "due_date", "paid_minor", "credited_minor", "surplus_minor",
        "settlement", "paid_at", "voided_at", "void_reason", "replaced_by", "hidden",
    }  # fmt: skip


def upgrade() -> None:
    _derive()
    _search_tables()
    _arrivals()
    _payments()
    _provider_tables()
    for table, column in _JOURNAL.items():
        op.create_index(f"ix_{table}_{column}_id", table, [column, "id"])
    op.create_index(
        "ix_invoices_voided_at_id",
        "invoices",
        ["voided_at", "id"],
        postgresql_where=sa.text("voided_at IS NOT NULL"),
    )


def _derive() -> None:
    op.drop_index("ix_invoices_customer_id_opened_at_id", "invoices")
    op.drop_index("ix_invoices_opened_at_id", "invoices")
    op.add_column("invoices", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    drop_unchanging("invoices")
    op.execute(
        "UPDATE invoices SET created_at = coalesce(opened_at, "
        "(SELECT min(at) FROM audit WHERE target_id = invoices.id::text), 'epoch')"
    )
    op.alter_column("invoices", "created_at", nullable=False)
    for name, (kind, expression) in _DERIVED.items():
        computed = sa.Computed(expression, persisted=True)
        op.add_column("invoices", sa.Column(name, kind, computed, nullable=False))
    # The derived ones follow what they are derived from.
    keep_unchanged("invoices", once=_ONCE_FINALISED, but=_living() | _DERIVED.keys())
    for name, columns in _INDEXES.items():
        op.create_index(name, "invoices", columns, postgresql_include=_CARRIED.get(name))
    op.create_index(
        "ix_invoices_due_late",
        "invoices",
        [*_SLOT, "listed_on", "due_on"],
        postgresql_where=sa.text("due_on > listed_on + 120"),
    )
    op.create_index(
        "ix_invoices_partly_paid",
        "invoices",
        ["listed_on"],
        postgresql_where=sa.text("state = 'open' AND paid_minor > 0"),
    )


def _search_tables() -> None:
    op.create_table(
        "customer_search",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("keys", sa.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_search_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_search")),
    )
    op.create_table(
        "invoice_titles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("keys", sa.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_titles")),
    )
    _fill_search_tables()
    for table in ("customer_search", "invoice_titles"):
        op.create_index(
            f"ix_{table}_keys",
            table,
            ["keys"],
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        )


def _fill_search_tables() -> None:
    connection = op.get_bind()
    customers = connection.execute(sa.text("SELECT id, version, state FROM customers")).mappings()
    for chunk in customers.partitions(1_000):
        connection.execute(
            sa.text("INSERT INTO customer_search VALUES (:id, :version, :keys)"),
            [
                {
                    "id": row["id"],
                    "version": row["version"],
                    "keys": customer_keys(row["id"], row["state"]),
                }
                for row in chunk
            ],
        )
    titles = connection.execute(sa.text("SELECT DISTINCT title_id, title FROM invoices")).mappings()
    for chunk in titles.partitions(1_000):
        connection.execute(
            sa.text("INSERT INTO invoice_titles VALUES (:title_id, :title, :keys)"),
            [{**row, "keys": title_keys(row["title"])} for row in chunk],
        )


def _arrivals() -> None:
    minor = ("left_minor", "refunded_minor", "reversed_minor")
    op.create_table(
        "arrivals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in minor),
        sa.CheckConstraint(
            "state IN ('booked', 'open', 'assigned', 'refunded')", name=op.f("ck_arrivals_state")
        ),
        sa.CheckConstraint(
            "amount_minor > 0 AND least(left_minor, refunded_minor, reversed_minor) >= 0 "
            "AND left_minor + refunded_minor + reversed_minor <= amount_minor "
            "AND (left_minor > 0) = (state = 'open')",
            name=op.f("ck_arrivals_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_arrivals_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("fk_arrivals_invoice_id_invoices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrivals")),
        sa.UniqueConstraint("source", "reference", name=op.f("uq_arrivals_source_reference")),
    )
    op.create_index(
        "ix_arrivals_unallocated",
        "arrivals",
        ["state", "arrived_at", "id"],
        postgresql_where=sa.text("why IS NOT NULL"),
    )
    op.create_index("ix_arrivals_invoice_id", "arrivals", ["invoice_id"])


def _payments() -> None:
    op.add_column("payments", sa.Column("arrival_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_payments_arrival_id_arrivals"), "payments", "arrivals", ["arrival_id"], ["id"]
    )
    op.create_index(
        "ix_payments_arrival_id",
        "payments",
        ["arrival_id"],
        postgresql_where=sa.text("arrival_id IS NOT NULL"),
    )
    op.create_index("ix_payments_recorded_at_id", "payments", ["recorded_at", "id"])
    op.create_index(
        "ix_payments_reversed_at_id",
        "payments",
        ["reversed_at", "id"],
        postgresql_where=sa.text("reversed_at IS NOT NULL"),
    )
    op.create_table(
        "arrival_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("arrival_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('assigned', 'refunded', 'reversed') AND amount_minor > 0 "
            "AND (kind = 'assigned') = (payment_id IS NOT NULL)",
            name=op.f("ck_arrival_entries_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["arrival_id"], ["arrivals.id"], name=op.f("fk_arrival_entries_arrival_id_arrivals")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_arrival_entries_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrival_entries")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_arrival_entries_payment_id")),
    )
    op.create_index("ix_arrival_entries_at_id", "arrival_entries", ["at", "id"])
    op.create_index(op.f("ix_arrival_entries_arrival_id"), "arrival_entries", ["arrival_id"])


def _provider_tables() -> None:
    op.create_table(
        "provider_events",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", name=op.f("pk_provider_events")),
    )
    op.create_table(
        "provider_reversals",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("reversal", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "source", "reference", "reversal", name=op.f("pk_provider_reversals")
        ),
    )


def downgrade() -> None:
    op.drop_index("ix_invoices_voided_at_id", "invoices")
    for table, column in _JOURNAL.items():
        op.drop_index(f"ix_{table}_{column}_id", table)
    op.drop_table("provider_reversals")
    op.drop_table("provider_events")
    op.drop_table("arrival_entries")
    for name in ("arrival_id", "recorded_at_id", "reversed_at_id"):
        op.drop_index(f"ix_payments_{name}", "payments")
    op.drop_column("payments", "arrival_id")
    op.drop_table("arrivals")
    op.drop_table("invoice_titles")
    op.drop_table("customer_search")
    for name in ("ix_invoices_partly_paid", "ix_invoices_due_late", *_INDEXES):
        op.drop_index(name, "invoices")
    drop_unchanging("invoices")
    for name in _DERIVED:
        op.drop_column("invoices", name)
    op.drop_column("invoices", "created_at")
    keep_unchanged("invoices", once=_ONCE_FINALISED, but=_living())
    op.create_index("ix_invoices_opened_at_id", "invoices", ["opened_at", "id"])
    op.create_index(
        "ix_invoices_customer_id_opened_at_id", "invoices", ["customer_id", "opened_at", "id"]
    )
