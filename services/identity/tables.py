from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata
from shared.due_work import due_work_columns, due_work_index

__all__ = [
    "clients",
    "metadata",
    "operators",
    "password_resets",
    "recovery_codes",
    "sessions",
    "sign_in_failures",
    "signing_keys",
]

metadata = new_metadata()

# `email` is stored in lower case. `totp_secret` counts once `totp_on` is true.
operators = Table(
    "operators",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("totp_secret", Text),
    Column("totp_on", Boolean, nullable=False),
    Column("totp_last_step", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("ix_operators_created_at_id", "created_at", "id"),
    CheckConstraint("role IN ('viewer', 'support', 'billing', 'admin')", name="role"),
    CheckConstraint("NOT totp_on OR totp_secret IS NOT NULL", name="totp"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("operator_id", ForeignKey("operators.id"), primary_key=True),
    Column("code_hash", Text, primary_key=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("operator_id", ForeignKey("operators.id"), nullable=False, index=True),
    Column("secret_hash", Text, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

# Counted per address and per e-mail, whether anybody has that e-mail or not; keys are hashes.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False, index=True),
    Column("blocked_until", DateTime(timezone=True)),
)

# Due work: the sender makes the token, so that no row holds one that is still to be sent.
password_resets = Table(
    "password_resets",
    metadata,
    *due_work_columns(),
    Column("operator_id", ForeignKey("operators.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("token_hash", Text, unique=True),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('due', 'sent', 'used', 'void')", name="state"),
    CheckConstraint("reason IN ('invited', 'forgotten')", name="reason"),
    Index(
        "uq_password_resets_due", "operator_id", unique=True, postgresql_where=text("state = 'due'")
    ),
    due_work_index("password_resets"),
)

clients = Table(
    "clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("customer_ids", JSONB),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("rotated_at", DateTime(timezone=True), nullable=False),
    Index("ix_clients_created_at_id", "created_at", "id"),
)

# A key is listed before it signs, and after, until the last token it signed has expired.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("private_key", Text, nullable=False),
    Column("signs_from", DateTime(timezone=True), nullable=False),
    Column("listed_until", DateTime(timezone=True)),
)
