"""notifier: audit log"""

from shared.migrations.append_only import create_audit, drop_audit

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_audit()


def downgrade() -> None:
    drop_audit()
