"""The audit table as every service's migrations make it. Frozen: revisions that ran call it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

__all__ = ["create_audit", "drop_audit"]

_REFUSE = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
_TRIGGER = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
"""
# The role owns the table and could grant it back to itself: the trigger stands behind this.
_REVOKE = "REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER, PUBLIC"


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("before", JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at_id", "audit", ["at", "id"])
    op.create_index("ix_audit_customer_id_at_id", "audit", ["customer_id", "at", "id"])
    op.create_index("ix_audit_target_id_at_id", "audit", ["target_id", "at", "id"])
    for statement in (_REFUSE, _TRIGGER, _REVOKE):
        op.execute(statement)


def drop_audit() -> None:
    op.drop_table("audit")
    op.execute("DROP FUNCTION audit_is_append_only()")
