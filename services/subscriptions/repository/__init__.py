"""Every query of the subscriptions service."""

from services.subscriptions.repository.catalogue import (
    get_catalogue,
    get_feature_keys,
    get_group_ids,
    get_price_versions,
    lock_catalogue,
    save_catalogue,
)
from services.subscriptions.repository.copies import (
    erase_customers,
    get_customers,
    get_seller,
    lock_customers,
    save_customers,
    save_seller,
)
from services.subscriptions.repository.entitlements import (
    get_entitlements,
    save_entitlements,
)
from services.subscriptions.repository.subscriptions import (
    add_offers,
    add_periods,
    add_subscriptions,
    get_live_subscriptions,
    get_offers,
    get_subscription,
    get_subscriptions_of,
    link_invoices,
    list_subscriptions,
    lock_offers,
    save_offers,
    save_subscriptions,
)

__all__ = [
    "add_offers",
    "add_periods",
    "add_subscriptions",
    "erase_customers",
    "get_catalogue",
    "get_customers",
    "get_entitlements",
    "get_feature_keys",
    "get_group_ids",
    "get_live_subscriptions",
    "get_offers",
    "get_price_versions",
    "get_seller",
    "get_subscription",
    "get_subscriptions_of",
    "link_invoices",
    "list_subscriptions",
    "lock_catalogue",
    "lock_customers",
    "lock_offers",
    "save_catalogue",
    "save_customers",
    "save_entitlements",
    "save_offers",
    "save_seller",
    "save_subscriptions",
]
