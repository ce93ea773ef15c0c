"""Copies of others, and the seller."""

from sqlalchemy import Column, DateTime, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from services.billing.tables.metadata import metadata

__all__ = ["customers", "seller_settings"]

# A copy, fed by events; `state` is the whole customer, from which an invoice takes its snapshot.
customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", JSONB, nullable=False),
)

seller_settings = Table(
    "seller_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
