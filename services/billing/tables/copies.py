"""Copies of others, and the seller."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.billing.tables.metadata import NO_PENDING_LIST, metadata

__all__ = ["customer_search", "customers", "seller_settings"]

# A copy, fed by events; `state` is the whole customer, from which an invoice takes its snapshot.
customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", JSONB, nullable=False),
)

# What the copy is searched by: invoices are found by their customer's name.
customer_search = Table(
    "customer_search",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("keys", ARRAY(Integer), nullable=False),
    Index(
        "ix_customer_search_keys", "keys", postgresql_using="gin", postgresql_with=NO_PENDING_LIST
    ),
)

seller_settings = Table(
    "seller_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
