"""customers: users, search, orders of lists, erasure, copies"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.customers.domain.search import search_keys
from shared.search import fold

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("number_value", sa.BigInteger(), nullable=True))
    op.add_column("customers", sa.Column("sort_name", sa.Text(), nullable=True))
    op.create_table(
        "customer_search",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_customer_search_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_search")),
    )
    _fill()
    op.alter_column("customers", "number_value", nullable=False)
    op.alter_column("customers", "sort_name", nullable=False)
    op.create_index(
        "ix_customer_search_keys",
        "customer_search",
        ["keys"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_unique_constraint(op.f("uq_customers_number_value"), "customers", ["number_value"])
    for name, columns in {
        "sort_name": ["sort_name", "number_value"],
        "status_number": ["status", "number_value"],
        "status_name": ["status", "sort_name", "number_value"],
        "country_number": ["country", "number_value"],
        "country_name": ["country", "sort_name", "number_value"],
        "status_country_number": ["status", "country", "number_value"],
        "status_country_name": ["status", "country", "sort_name", "number_value"],
    }.items():
        op.create_index(f"ix_customers_{name}", "customers", columns, unique=False)
    op.drop_index("ix_customers_created_at_id", table_name="customers")
    op.create_table(
        "erased_customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erased_customers")),
        sa.UniqueConstraint("number", name=op.f("uq_erased_customers_number")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("salutation", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("surname", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_users_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
    )
    op.create_index(
        "ix_users_customer_id_created_at_id",
        "users",
        ["customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], unique=False)
    op.create_table(
        "entitlements",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("max_users", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_entitlements")),
    )
    op.create_table(
        "open_invoices",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("open_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_open_invoices")),
    )
    op.create_index(
        "ix_open_invoices_customer_id",
        "open_invoices",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("open_minor > 0"),
    )


def _fill() -> None:
    """Derive what lists and searches go by, as the code of the day does it."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT id, number, company_name, contact_name, city, email, country, status "
            "FROM customers"
        )
    ).mappings()
    for chunk in rows.partitions(1_000):
        connection.execute(
            sa.text(
                "UPDATE customers SET number_value = :number_value, sort_name = :sort_name "
                "WHERE id = :id"
            ),
            [
                {
                    "id": row["id"],
                    "number_value": int(row["number"].partition("-")[2]),
                    "sort_name": fold(row["company_name"] or row["contact_name"]),
                }
                for row in chunk
            ],
        )
        connection.execute(
            sa.text("INSERT INTO customer_search (customer_id, keys) VALUES (:id, :keys)"),
            [{"id": row["id"], "keys": search_keys(row["id"], dict(row))} for row in chunk],
        )


def downgrade() -> None:
    op.drop_table("open_invoices")
    op.drop_table("entitlements")
    op.drop_table("users")
    op.drop_table("erased_customers")
    op.create_index("ix_customers_created_at_id", "customers", ["created_at", "id"], unique=False)
    for name in (
        "status_country_name",
        "status_country_number",
        "country_name",
        "country_number",
        "status_name",
        "status_number",
        "sort_name",
    ):
        op.drop_index(f"ix_customers_{name}", table_name="customers")
    op.drop_table("customer_search")
    op.drop_column("customers", "sort_name")
    op.drop_column("customers", "number_value")
