from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata

__all__ = ["customers", "metadata", "number_sequence"]

metadata = new_metadata()

# Customer numbers may have gaps; only invoice numbers must not.
number_sequence = Sequence("customer_number", start=10_001, metadata=metadata)

customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", Text, nullable=False, unique=True),
    Column("company_name", Text, nullable=False),
    Column("contact_name", Text, nullable=False),
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
    Index("ix_customers_created_at_id", "created_at", "id"),
    CheckConstraint("status IN ('active', 'deactivated')", name="status"),
)
