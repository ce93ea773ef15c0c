from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import new_metadata

__all__ = [
    "catalogue_refreshes",
    "customers",
    "entitlements",
    "features",
    "metadata",
    "offerings",
    "offers",
    "periods",
    "plan_groups",
    "prices",
    "seller_settings",
    "subscription_history",
    "subscriptions",
    "trials",
    "users",
]

metadata = new_metadata()

# -- catalogue ---------------------------------------------------------------------------------

plan_groups = Table(
    "plan_groups",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("country", Text),
    Column("priority", Integer, nullable=False),
    Column("translations", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    # Deferred: in one document two may change their keys with each other.
    UniqueConstraint("key", deferrable=True, initially="DEFERRED"),
)

features = Table(
    "features",
    metadata,
    Column("key", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("translations", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
)

# Plans and modules: two words of the field, one table, because they are booked, priced and
# granted alike. `details` holds what only is read as a whole.
offerings = Table(
    "offerings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("group_id", ForeignKey("plan_groups.id")),
    Column("name", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("kind", "key", deferrable=True, initially="DEFERRED"),
    Index(
        "uq_offerings_default_plan",
        "group_id",
        unique=True,
        postgresql_where=text("is_default AND NOT archived"),
    ),
    CheckConstraint("kind IN ('plan', 'module')", name="kind"),
)

# A price never changes: a new one is a new version, and what runs keeps the one it was sold at.
prices = Table(
    "prices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("product_id", ForeignKey("offerings.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("cycle", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("unit_price", Numeric(18, 4)),
    Column("basis", Text, nullable=False),
    Column("vat_category", Text, nullable=False),
    UniqueConstraint("product_id", "currency", "cycle", "version"),
    CheckConstraint("cycle IN ('monthly', 'yearly', 'once')", name="cycle"),
    CheckConstraint("basis IN ('net', 'gross')", name="basis"),
)

# Products that have changed, whose customers are still to be entitled anew: all up to
# `after_customer_id` are. `barrier` is the first transaction that cannot have read the product as
# it was before; `generation` counts the changes since the row was made.
catalogue_refreshes = Table(
    "catalogue_refreshes",
    metadata,
    Column("offering_id", Uuid, primary_key=True),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("after_customer_id", Uuid, nullable=False),
    Column("barrier", BigInteger),
)

# -- copies, fed by events ---------------------------------------------------------------------

customers = Table(
    "customers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("is_company", Boolean, nullable=False),
    Column("country", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("frozen", Boolean, nullable=False),
)

# Who counts as a seat. Its customer may arrive later: another topic.
users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Index("ix_users_customer_id_active", "customer_id", postgresql_where=text("active")),
)

seller_settings = Table(
    "seller_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
)

# -- subscriptions -----------------------------------------------------------------------------

_LIVE = text("state NOT IN ('expired', 'withdrawn')")

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("product_id", ForeignKey("offerings.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("term", Integer, nullable=False),
    Column("origin", Text),
    Column("cycle", Text),
    Column("price_id", ForeignKey("prices.id")),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("anchor_day", Integer),
    Column("invoice_id", Uuid),
    Column("invoice_version", Integer),
    Column("canceled_from", Text),
    Column("scheduled_product_id", ForeignKey("offerings.id")),
    Column("scheduled_cycle", Text),
    Column("scheduled_on", Date),
    # When it ends or changes by itself, and when to tell that its trial ends.
    Column("due_at", DateTime(timezone=True)),
    Column("remind_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_subscriptions_customer_id_created_at_id", "customer_id", "created_at", "id"),
    Index("ix_subscriptions_created_at_id", "created_at", "id"),
    Index(
        "uq_subscriptions_live_plan",
        "customer_id",
        unique=True,
        postgresql_where=text("kind = 'plan' AND state NOT IN ('expired', 'withdrawn')"),
    ),
    Index(
        "uq_subscriptions_live_product",
        "customer_id",
        "product_id",
        unique=True,
        postgresql_where=_LIVE,
    ),
    CheckConstraint(
        "state IN ('pending', 'trialing', 'active', 'past_due', 'suspended', 'canceling', "
        "'expired', 'withdrawn')",
        name="state",
    ),
    CheckConstraint("period_start < period_end", name="period"),
    CheckConstraint("(scheduled_product_id IS NULL) = (scheduled_on IS NULL)", name="scheduled"),
    # Exactly as due work is claimed.
    Index(
        "ix_subscriptions_due_at_id", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")
    ),
    Index(
        "ix_subscriptions_remind_at_id",
        "remind_at",
        "id",
        postgresql_where=text("remind_at IS NOT NULL"),
    ),
)

# Once per customer and product, ever.
trials = Table(
    "trials",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("product_id", ForeignKey("offerings.id"), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
)

offers = Table(
    "offers",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("product_id", ForeignKey("offerings.id"), nullable=False),
    Column("cycle", Text, nullable=False),
    Column("price_id", ForeignKey("prices.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("invoice_id", Uuid),
    Column("is_change", Boolean, nullable=False),
    Column("offer_days", Integer, nullable=False),
    Column("lapses_on", Date),
    Column("lapses_at", DateTime(timezone=True)),
    Column("valid_until", Date),
    # What is credited and how it was computed, fixed when the offer is made.
    Column("used", JSONB, nullable=False),
    Column("rest", JSONB, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index(
        "uq_offers_open",
        "subscription_id",
        unique=True,
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_offers_open", "customer_id", postgresql_where=text("state = 'open'")),
    Index(
        "ix_offers_lapses_at",
        "lapses_at",
        "request_id",
        "subscription_id",
        postgresql_where=text("state = 'open'"),
    ),
    CheckConstraint("state IN ('open', 'settled', 'dropped')", name="state"),
)

# The period ledger: what became of each period, once.
periods = Table(
    "periods",
    metadata,
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    Column("term", Integer, primary_key=True),
    Column("period_start", Date, primary_key=True),
    Column("period_end", Date, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("invoice_id", Uuid),
    Column("request_id", Uuid),
    # The lines that paid for it, with their VAT: what giving it up is worth.
    Column("worth", JSONB, nullable=False),
    Index("ix_periods_request_id", "request_id", postgresql_where=text("request_id IS NOT NULL")),
    CheckConstraint(
        "outcome IN ('billed', 'free', 'skipped', 'failed', 'requested')", name="outcome"
    ),
)

subscription_history = Table(
    "subscription_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Index("ix_subscription_history_subscription_id_id", "subscription_id", "id"),
)

entitlements = Table(
    "entitlements",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
)
