"""subscriptions: trials, offers beside what runs, scheduled changes, history, seats"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index(
        "ix_users_customer_id_active",
        "users",
        ["customer_id"],
        postgresql_where=sa.text("active"),
    )
    added: tuple[sa.Column[Any], ...] = (
        sa.Column("invoice_id", sa.Uuid()),
        sa.Column("canceled_from", sa.Text()),
        sa.Column("scheduled_product_id", sa.Uuid()),
        sa.Column("scheduled_cycle", sa.Text()),
        sa.Column("scheduled_on", sa.Date()),
        sa.Column("due_at", _INSTANT),
        sa.Column("remind_at", _INSTANT),
    )
    for column in added:
        op.add_column("subscriptions", column)
    op.create_foreign_key(
        op.f("fk_subscriptions_scheduled_product_id_offerings"),
        "subscriptions",
        "offerings",
        ["scheduled_product_id"],
        ["id"],
    )
    op.create_check_constraint(
        op.f("ck_subscriptions_scheduled"),
        "subscriptions",
        "(scheduled_product_id IS NULL) = (scheduled_on IS NULL)",
    )
    for name in ("due_at", "remind_at"):
        op.create_index(
            f"ix_subscriptions_{name}_id",
            "subscriptions",
            [name, "id"],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    # The term that runs stands on the invoice of its period.
    op.execute(
        "UPDATE subscriptions s SET invoice_id = p.invoice_id FROM periods p "
        "WHERE p.subscription_id = s.id AND p.term = s.term AND p.period_start = s.period_start"
    )
    op.create_table(
        "trials",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_trials_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["offerings.id"], name=op.f("fk_trials_product_id_offerings")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_trials_subscription_id_subscriptions"),
        ),
        sa.PrimaryKeyConstraint("customer_id", "product_id", name=op.f("pk_trials")),
    )
    op.drop_column("offers", "previous_state")
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("is_change", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("offer_days", sa.Integer(), nullable=False, server_default="14"),
        sa.Column("lapses_on", sa.Date()),
        sa.Column("lapses_at", _INSTANT),
        sa.Column("valid_until", sa.Date()),
        sa.Column("used", _JSON, nullable=False, server_default="[]"),
        sa.Column("rest", _JSON, nullable=False, server_default="[]"),
        sa.Column("lines", _JSON, nullable=False, server_default="[]"),
    )
    for column in columns:
        op.add_column("offers", column)
        if column.server_default is not None:
            op.alter_column("offers", column.name, server_default=None)
    op.create_index(
        "ix_offers_open", "offers", ["customer_id"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_offers_lapses_at",
        "offers",
        ["lapses_at", "request_id", "subscription_id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.add_column("periods", sa.Column("request_id", sa.Uuid()))
    op.add_column("periods", sa.Column("worth", _JSON, nullable=False, server_default="[]"))
    op.alter_column("periods", "worth", server_default=None)
    op.create_index(
        "ix_periods_request_id",
        "periods",
        ["request_id"],
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "subscription_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("before", _JSON),
        sa.Column("after", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_subscription_history_subscription_id_subscriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_history")),
    )
    op.create_index(
        "ix_subscription_history_subscription_id_id",
        "subscription_history",
        ["subscription_id", "id"],
    )


def downgrade() -> None:
    op.drop_table("subscription_history")
    op.drop_index("ix_periods_request_id", table_name="periods")
    op.drop_column("periods", "worth")
    op.drop_column("periods", "request_id")
    op.drop_index("ix_offers_lapses_at", table_name="offers")
    op.drop_index("ix_offers_open", table_name="offers")
    for name in (
        "is_change",
        "offer_days",
        "lapses_on",
        "lapses_at",
        "valid_until",
        "used",
        "rest",
        "lines",
    ):
        op.drop_column("offers", name)
    op.add_column("offers", sa.Column("previous_state", sa.Text()))
    op.drop_table("trials")
    for name in ("due_at", "remind_at"):
        op.drop_index(f"ix_subscriptions_{name}_id", table_name="subscriptions")
    op.drop_constraint(op.f("ck_subscriptions_scheduled"), "subscriptions")
    op.drop_constraint(
        op.f("fk_subscriptions_scheduled_product_id_offerings"), "subscriptions", type_="foreignkey"
    )
    for name in (
        "invoice_id",
        "canceled_from",
        "scheduled_product_id",
        "scheduled_cycle",
        "scheduled_on",
        "due_at",
        "remind_at",
    ):
        op.drop_column("subscriptions", name)
    op.drop_table("users")
