"""billing: credit notes, credit balance, reversed payments, withdrawn requests"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OWED = "total_minor - credited_minor - credit_used_minor - paid_minor + surplus_minor"
_CHECK = """
CREATE FUNCTION balance_postings_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount_minor) FROM balance_postings WHERE entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'the postings of entry % do not sum to zero', NEW.entry_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER sum_to_zero AFTER INSERT OR UPDATE ON balance_postings
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_postings_sum_to_zero()
"""


def upgrade() -> None:
    _invoices()
    op.create_table(
        "withdrawn_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "subscription_id", name="pk_withdrawn_requests"),
    )
    op.create_table(
        "withdrawn_subscriptions",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_withdrawn_subscriptions"),
    )
    _credit_notes()
    _balance()


def _invoices() -> None:
    amounts = ("credited_minor", "credit_used_minor", "surplus_minor")
    for name in amounts:
        # What has been opened has none of it.
        op.add_column(
            "invoices", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        )
        op.alter_column("invoices", name, server_default=None)
    op.add_column("invoices", sa.Column("replaced_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_invoices_replaced_by_invoices",
        "invoices",
        "invoices",
        ["replaced_by"],
        ["id"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.drop_constraint("uq_invoices_request_id", "invoices")
    op.create_index(
        "uq_invoices_request_id",
        "invoices",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text("replaced_by IS NULL"),
    )
    op.drop_constraint("ck_invoices_paid", "invoices")
    op.create_check_constraint(
        op.f("ck_invoices_amounts"),
        "invoices",
        "least(paid_minor, credited_minor, surplus_minor, total_minor - credit_used_minor, "
        "credit_used_minor) >= 0",
    )
    op.create_check_constraint(
        op.f("ck_invoices_owed"),
        "invoices",
        f"CASE state WHEN 'open' THEN {_OWED} > 0 WHEN 'paid' THEN {_OWED} = 0 "
        f"WHEN 'credited' THEN {_OWED} = 0 WHEN 'void' THEN paid_minor = 0 ELSE true END",
    )
    op.add_column(
        "invoice_lines",
        sa.Column("credited_minor", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.alter_column("invoice_lines", "credited_minor", server_default=None)
    op.create_check_constraint(
        op.f("ck_invoice_lines_credited"),
        "invoice_lines",
        "credited_minor BETWEEN least(total_minor, 0) AND greatest(total_minor, 0)",
    )
    op.add_column("payments", sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payments", sa.Column("reversed_by", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("reversal_reason", sa.Text(), nullable=True))


def _credit_notes() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("vat", JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("rounding_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("to_balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('operator', 'request', 'withdrawal')", name=op.f("ck_credit_notes_cause")
        ),
        sa.CheckConstraint(
            "total_minor >= 0 AND to_balance_minor BETWEEN 0 AND total_minor",
            name=op.f("ck_credit_notes_total"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_credit_notes_customer_id_customers"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name="fk_credit_notes_invoice_id_invoices"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_notes"),
        sa.UniqueConstraint("number", name="uq_credit_notes_number"),
    )
    op.create_index("ix_credit_notes_invoice_id", "credit_notes", ["invoice_id"])
    op.create_index(
        "uq_credit_notes_request_id",
        "credit_notes",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text("cause = 'request'"),
    )
    op.create_table(
        "credit_note_lines",
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_note_id"],
            ["credit_notes.id"],
            name="fk_credit_note_lines_credit_note_id_credit_notes",
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "position", name="pk_credit_note_lines"),
    )


def _balance() -> None:
    op.create_table(
        "credit_balances",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance_minor >= 0", name=op.f("ck_credit_balances_balance")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_credit_balances_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("customer_id", "currency", name="pk_credit_balances"),
    )
    op.create_table(
        "balance_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "origin IN ('credit_note', 'overpayment', 'invoice', 'invoice_voided', 'refund', "
            "'forfeit')",
            name=op.f("ck_balance_entries_origin"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_balance_entries_customer_id_customers"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name="fk_balance_entries_invoice_id_invoices"
        ),
        sa.ForeignKeyConstraint(
            ["credit_note_id"],
            ["credit_notes.id"],
            name="fk_balance_entries_credit_note_id_credit_notes",
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_balance_entries_payment_id_payments"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_balance_entries"),
        sa.UniqueConstraint(
            "customer_id",
            "currency",
            "version",
            name="uq_balance_entries_customer_id_currency_version",
        ),
    )
    op.create_index("ix_balance_entries_invoice_id", "balance_entries", ["invoice_id"])
    op.create_index(
        "ix_balance_entries_customer_id_at_id", "balance_entries", ["customer_id", "at", "id"]
    )
    op.create_table(
        "balance_postings",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "account IN ('balance', 'invoice', 'refund', 'forfeit') "
            "AND (account = 'balance') = (lot_id IS NOT NULL)",
            name=op.f("ck_balance_postings_account"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["balance_entries.id"],
            name="fk_balance_postings_entry_id_balance_entries",
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"], ["balance_entries.id"], name="fk_balance_postings_lot_id_balance_entries"
        ),
        sa.PrimaryKeyConstraint("entry_id", "position", name="pk_balance_postings"),
    )
    op.create_table(
        "balance_lots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("left_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "left_minor BETWEEN 0 AND amount_minor", name=op.f("ck_balance_lots_left")
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["balance_entries.id"], name="fk_balance_lots_id_balance_entries"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_balance_lots_customer_id_customers"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name="fk_balance_lots_invoice_id_invoices"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_balance_lots"),
    )
    op.create_index(
        "ix_balance_lots_customer_id_currency", "balance_lots", ["customer_id", "currency"]
    )
    op.create_index("ix_balance_lots_subscription_id", "balance_lots", ["subscription_id"])
    op.execute(_CHECK)
    op.execute(_TRIGGER)


def downgrade() -> None:
    for name in (
        "balance_lots",
        "balance_postings",
        "balance_entries",
        "credit_balances",
        "credit_note_lines",
        "credit_notes",
        "withdrawn_subscriptions",
        "withdrawn_requests",
    ):
        op.drop_table(name)
    op.execute("DROP FUNCTION balance_postings_sum_to_zero()")
    for name in ("reversed_at", "reversed_by", "reversal_reason"):
        op.drop_column("payments", name)
    op.drop_column("invoice_lines", "credited_minor")
    for name in ("ck_invoices_owed", "ck_invoices_amounts"):
        op.drop_constraint(op.f(name), "invoices")
    op.create_check_constraint(
        op.f("ck_invoices_paid"), "invoices", "paid_minor BETWEEN 0 AND total_minor"
    )
    op.drop_index("uq_invoices_request_id", "invoices")
    op.execute("UPDATE invoices SET request_id = NULL WHERE replaced_by IS NOT NULL")
    op.drop_column("invoices", "replaced_by")
    op.create_unique_constraint("uq_invoices_request_id", "invoices", ["request_id"])
    for name in ("credited_minor", "credit_used_minor", "surplus_minor"):
        op.drop_column("invoices", name)
