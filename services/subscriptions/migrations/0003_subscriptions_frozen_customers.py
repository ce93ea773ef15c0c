"""subscriptions: the copy of a customer tells whether it is frozen"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody could be frozen before.
    op.add_column(
        "customers", sa.Column("frozen", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("customers", "frozen", server_default=None)


def downgrade() -> None:
    op.drop_column("customers", "frozen")
