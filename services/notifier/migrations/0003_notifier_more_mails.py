"""notifier: mails sent by hand, credit notes, cancellation notes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoices", sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("invoices", sa.Column("replaced_by", sa.Uuid(), nullable=True))
    op.create_table(
        "mail_switches",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_mail_switches")),
    )
    op.add_column("deliveries", sa.Column("awaits", sa.Uuid(), nullable=True))
    op.add_column(
        "deliveries", sa.Column("resend", sa.Boolean(), nullable=False, server_default="false")
    )
    op.alter_column("deliveries", "resend", server_default=None)
    op.add_column("deliveries", sa.Column("content", JSONB(astext_type=sa.Text()), nullable=True))
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(
        op.f("ck_deliveries_state"),
        "deliveries",
        "state IN ('waiting', 'due', 'sent', 'parked', 'withdrawn')",
    )
    op.create_index(
        "ix_deliveries_awaits",
        "deliveries",
        ["awaits"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_deliveries_invoice_id", "deliveries", ["invoice_id"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_invoice_id", "deliveries")
    op.drop_index("ix_deliveries_awaits", "deliveries")
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    # Before, there were mails of invoices only, and none that waited or was held back.
    op.execute("DELETE FROM deliveries WHERE kind <> 'invoice'")
    op.execute("DELETE FROM deliveries WHERE state IN ('waiting', 'withdrawn')")
    op.create_check_constraint(
        op.f("ck_deliveries_state"), "deliveries", "state IN ('due', 'sent', 'parked')"
    )
    for name in ("content", "resend", "awaits"):
        op.drop_column("deliveries", name)
    op.drop_table("mail_switches")
    for name in ("replaced_by", "voided_at"):
        op.drop_column("invoices", name)
