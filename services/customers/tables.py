from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata

__all__ = [
    "customer_search",
    "customers",
    "entitlements",
    "erased_customers",
    "metadata",
    "number_sequence",
    "open_invoices",
    "users",
]

metadata = new_metadata()

# Customer numbers may have gaps; only invoice numbers must not.
number_sequence = Sequence("customer_number", start=10_001, metadata=metadata)

# `number_value` is the number inside `number`: the order of creation too. `sort_name` is the shown
# name as the search folds it, the order of lists.
customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", Text, nullable=False, unique=True),
    Column("number_value", BigInteger, nullable=False, unique=True),
    Column("company_name", Text, nullable=False),
    Column("contact_name", Text, nullable=False),
    Column("sort_name", Text, nullable=False),
    Column("address_lines", JSONB, nullable=False),
    Column("postcode", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("website", Text, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("billing_name", Text, nullable=False),
    Column("billing_email", Text, nullable=False),
    Column("billing_address", JSONB, nullable=False),
    Column("billing_note", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("frozen", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("status IN ('active', 'deactivated')", name="status"),
    # One per order and filter: any page of any list is a walk along one of them.
    Index("ix_customers_sort_name", "sort_name", "number_value"),
    Index("ix_customers_status_number", "status", "number_value"),
    Index("ix_customers_status_name", "status", "sort_name", "number_value"),
    Index("ix_customers_country_number", "country", "number_value"),
    Index("ix_customers_country_name", "country", "sort_name", "number_value"),
    Index("ix_customers_status_country_number", "status", "country", "number_value"),
    Index("ix_customers_status_country_name", "status", "country", "sort_name", "number_value"),
)

# Beside the customers, so that what changes there does not touch this large index. Without a list
# of pending entries: every search would have to read it.
customer_search = Table(
    "customer_search",
    metadata,
    Column("customer_id", ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True),
    Column("keys", ARRAY(Integer), nullable=False),
    Index(
        "ix_customer_search_keys",
        "keys",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    ),
)

# The permanent record, with nothing personal in it.
erased_customers = Table(
    "erased_customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("erased_at", DateTime(timezone=True), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("salutation", Text, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("surname", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_users_customer_id_created_at_id", "customer_id", "created_at", "id"),
    Index("ix_users_created_at_id", "created_at", "id"),
)

# -- copies, fed by events ---------------------------------------------------------------------

entitlements = Table(
    "entitlements",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("subscribed", Boolean, nullable=False),
    Column("max_users", Integer, nullable=False),
)

# Settled ones stay, with nothing open: an older event that comes late must not open them again.
open_invoices = Table(
    "open_invoices",
    metadata,
    Column("invoice_id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("number", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("open_minor", BigInteger, nullable=False),
    Index("ix_open_invoices_customer_id", "customer_id", postgresql_where=text("open_minor > 0")),
)
