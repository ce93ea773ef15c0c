"""Parse, call one use case, shape the answer."""

from services.subscriptions.api import actions, catalogue, subscriptions

__all__ = ["routers"]

routers = [catalogue.router, actions.router, subscriptions.router]
