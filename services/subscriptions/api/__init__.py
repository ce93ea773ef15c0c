"""Parse, call one use case, shape the answer."""

from services.subscriptions.api import actions, catalogue, plan_groups, products, subscriptions

__all__ = ["routers"]

routers = [
    catalogue.router,
    plan_groups.router,
    products.router,
    actions.router,
    subscriptions.router,
]
