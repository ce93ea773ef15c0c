"""What was drawn of invoices and credit notes."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from services.billing.tables.metadata import metadata
from shared.due_work import due_work_columns, due_work_index

__all__ = ["documents"]

# Due work: each is drawn once, stored under the hash of its content, and then never changes.
documents = Table(
    "documents",
    metadata,
    *due_work_columns(),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    # The invoice, or the credit note; of a copy there is one edition per version of the invoice.
    Column("subject_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("storage_key", Text),
    Column("sha256", Text),
    Column("size_bytes", Integer),
    Column("last_error", Text),
    Column("stored_at", DateTime(timezone=True)),
    UniqueConstraint("subject_id", "kind", "edition"),
    CheckConstraint("kind IN ('invoice', 'copy', 'credit_note', 'cancellation')", name="kind"),
    CheckConstraint("state IN ('due', 'stored', 'failed')", name="state"),
    due_work_index("documents"),
)
