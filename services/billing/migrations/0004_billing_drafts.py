"""billing: drafts, corrections, and triggers that keep what is finalised as it is"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.migrations.unchanging import drop_unchanging, keep_unchanged

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ONLY_FINAL = ("number", "invoice_date", "due_date", "opened_at")
# To delete a draft is to ask whether anything refers to it.
_REFERRING = (("invoices", "corrects"), ("invoices", "replaced_by"), ("balance_lots", "invoice_id"))
# What may change of a finalised invoice: where it is in its life, and what was settled of it.
_LIVING = {
    "state",
    "version",
    "due_date",
    "paid_minor",
    "credited_minor",
    "surplus_minor",
    "settlement",
    "paid_at",
    "voided_at",
    "void_reason",
    "replaced_by",
    "hidden",
}
_LINE_COLUMNS = (
    "invoice_id, position, title, description, explanation, quantity, unit, unit_price, basis, "
    "discount_percent, vat_category, vat_percent, total_minor, subscription_id, request_id, "
    "cycle, period_start, period_end"
)
_KEEP_LINE = """
CREATE FUNCTION keep_line_of_finalised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM invoices WHERE id IN (OLD.invoice_id, NEW.invoice_id)
               AND state <> 'draft') THEN
        RAISE EXCEPTION 'the lines of a finalised invoice must not change any more'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$
"""
# The lines of an invoice come all in one statement; none is added to a finalised one later.
_KEEP_LINES = """
CREATE FUNCTION keep_lines_of_finalised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT invoice_id, count(*) AS lines FROM added GROUP BY invoice_id) a
        JOIN invoices i ON i.id = a.invoice_id AND i.state <> 'draft'
        WHERE a.lines <> (SELECT count(*) FROM invoice_lines l WHERE l.invoice_id = a.invoice_id)
    ) THEN
        RAISE EXCEPTION 'no line must be added to a finalised invoice'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    for name in _ONLY_FINAL:
        op.alter_column("invoices", name, nullable=True)
    op.add_column("invoices", sa.Column("tax_treatment_reason", sa.Text(), nullable=True))
    op.add_column("invoices", sa.Column("addressee", JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("invoices", sa.Column("void_reason", sa.Text(), nullable=True))
    op.add_column(
        "invoices",
        sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("invoices", sa.Column("corrects", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_invoices_corrects_invoices", "invoices", "invoices", ["corrects"], ["id"]
    )
    for table, name in _REFERRING:
        op.create_index(
            f"ix_{table}_{name}", table, [name], postgresql_where=sa.text(f"{name} IS NOT NULL")
        )
    op.create_check_constraint(
        op.f("ck_invoices_final"),
        "invoices",
        "CASE state WHEN 'draft' "
        "THEN num_nonnulls(number, invoice_date, opened_at, request_id) = 0 "
        "ELSE num_nulls(number, invoice_date, opened_at, due_date) = 0 END",
    )
    op.create_check_constraint(
        op.f("ck_invoices_hidden"), "invoices", "NOT hidden OR state = 'void'"
    )
    _replace_amounts("CASE state WHEN 'draft' THEN 0 ELSE total_minor - credit_used_minor END")
    keep_unchanged("invoices", once="OLD.state <> 'draft'", but=_LIVING)
    _keep_lines()


def _replace_amounts(unused: str) -> None:
    op.drop_constraint(op.f("ck_invoices_amounts"), "invoices")
    op.create_check_constraint(
        op.f("ck_invoices_amounts"),
        "invoices",
        f"least(paid_minor, credited_minor, surplus_minor, {unused}, credit_used_minor) >= 0",
    )


def _keep_lines() -> None:
    names = _LINE_COLUMNS.split(", ")
    old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("OLD", "NEW"))
    op.execute(_KEEP_LINE)
    op.execute(_KEEP_LINES)
    op.execute(
        f"CREATE TRIGGER unchanging BEFORE UPDATE OF {_LINE_COLUMNS} ON invoice_lines FOR EACH ROW "
        f"WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION keep_line_of_finalised()"
    )
    op.execute(
        "CREATE TRIGGER undeletable BEFORE DELETE ON invoice_lines "
        "FOR EACH ROW EXECUTE FUNCTION keep_line_of_finalised()"
    )
    op.execute(
        "CREATE TRIGGER complete AFTER INSERT ON invoice_lines REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_lines_of_finalised()"
    )


def downgrade() -> None:
    for name in ("unchanging", "undeletable", "complete"):
        op.execute(f"DROP TRIGGER {name} ON invoice_lines")
    op.execute("DROP FUNCTION keep_line_of_finalised()")
    op.execute("DROP FUNCTION keep_lines_of_finalised()")
    drop_unchanging("invoices")
    op.execute("DROP FUNCTION refuse_change()")
    # Drafts have no place in the schema before.
    op.execute(
        "DELETE FROM invoice_lines "
        "WHERE invoice_id IN (SELECT id FROM invoices WHERE state = 'draft')"
    )
    op.execute("DELETE FROM invoices WHERE state = 'draft'")
    for name in ("ck_invoices_final", "ck_invoices_hidden"):
        op.drop_constraint(op.f(name), "invoices")
    _replace_amounts("total_minor - credit_used_minor")
    for table, name in _REFERRING:
        op.drop_index(f"ix_{table}_{name}", table)
    for name in ("corrects", "hidden", "void_reason", "addressee", "tax_treatment_reason"):
        op.drop_column("invoices", name)
    for name in _ONLY_FINAL:
        op.alter_column("invoices", name, nullable=False)
