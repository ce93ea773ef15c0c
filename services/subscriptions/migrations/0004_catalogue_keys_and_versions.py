"""subscriptions: keys and versions in the catalogue, and what a change of it makes due"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What was there is called as its name says; where that is nothing or taken, with its id behind it.
_KEYS = """
UPDATE {table} AS t SET key = CASE WHEN k.slug <> '' AND k.place = 1 THEN k.slug
    ELSE trim('-' FROM left(k.slug, 27) || '-' || k.id) END
FROM (
    SELECT id, slug, row_number() OVER (PARTITION BY {within} slug ORDER BY id) AS place
    FROM (SELECT *, left(trim('-' FROM regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g')), 56)
          AS slug FROM {table}) AS named
) AS k WHERE k.id = t.id
"""


def upgrade() -> None:
    for table in ("plan_groups", "features", "offerings"):
        op.add_column(table, sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        op.alter_column(table, "version", server_default=None)
    for table in ("plan_groups", "features"):
        op.add_column(
            table,
            sa.Column(
                "translations",
                postgresql.JSONB(astext_type=sa.Text()),
                nullable=False,
                server_default="{}",
            ),
        )
        op.alter_column(table, "translations", server_default=None)
    for table, within in (("plan_groups", ""), ("offerings", "kind,")):
        op.add_column(table, sa.Column("key", sa.Text()))
        op.execute(_KEYS.format(table=table, within=within))
        op.alter_column(table, "key", nullable=False)
    op.create_unique_constraint(
        op.f("uq_plan_groups_key"), "plan_groups", ["key"], deferrable=True, initially="DEFERRED"
    )
    op.create_unique_constraint(
        op.f("uq_offerings_kind_key"),
        "offerings",
        ["kind", "key"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.add_column(
        "offerings",
        sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("offerings", "is_default", server_default=None)
    op.create_index(
        "uq_offerings_default_plan",
        "offerings",
        ["group_id"],
        unique=True,
        postgresql_where=sa.text("is_default AND NOT archived"),
    )
    op.create_table(
        "catalogue_refreshes",
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("after_customer_id", sa.Uuid(), nullable=False),
        sa.Column("barrier", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("offering_id", name=op.f("pk_catalogue_refreshes")),
    )


def downgrade() -> None:
    op.drop_table("catalogue_refreshes")
    op.drop_index("uq_offerings_default_plan", table_name="offerings")
    op.drop_constraint(op.f("uq_offerings_kind_key"), "offerings")
    op.drop_constraint(op.f("uq_plan_groups_key"), "plan_groups")
    for table, columns in (
        ("offerings", ("is_default", "key", "version")),
        ("features", ("translations", "version")),
        ("plan_groups", ("key", "translations", "version")),
    ):
        for column in columns:
            op.drop_column(table, column)
