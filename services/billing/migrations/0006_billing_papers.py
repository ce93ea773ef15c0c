"""billing: documents of other kinds, what customers have had of an invoice"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("subject_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE documents SET subject_id = invoice_id")
    op.alter_column("documents", "subject_id", nullable=False)
    op.add_column(
        "documents", sa.Column("edition", sa.Integer(), nullable=False, server_default="0")
    )
    op.alter_column("documents", "edition", server_default=None)
    op.drop_constraint("uq_documents_invoice_id_kind", "documents")
    op.create_unique_constraint(
        "uq_documents_subject_id_kind_edition", "documents", ["subject_id", "kind", "edition"]
    )
    op.create_check_constraint(
        op.f("ck_documents_kind"),
        "documents",
        "kind IN ('invoice', 'copy', 'credit_note', 'cancellation')",
    )
    op.add_column("invoices", sa.Column("mails", JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("invoices", sa.Column("downloaded_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("invoices", "downloaded_at")
    op.drop_column("invoices", "mails")
    op.drop_constraint(op.f("ck_documents_kind"), "documents")
    op.drop_constraint("uq_documents_subject_id_kind_edition", "documents")
    # Only of invoices as they were opened was there a document before.
    op.execute("DELETE FROM documents WHERE kind <> 'invoice'")
    op.create_unique_constraint("uq_documents_invoice_id_kind", "documents", ["invoice_id", "kind"])
    op.drop_column("documents", "edition")
    op.drop_column("documents", "subject_id")
