"""subscriptions: what was heard of an invoice's payment is not undone by older news"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("invoice_version", sa.Integer()))


def downgrade() -> None:
    op.drop_column("subscriptions", "invoice_version")
