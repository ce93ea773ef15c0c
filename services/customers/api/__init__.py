"""Parse, call one use case, shape the answer."""

from services.customers.api import customers, exchange, users

__all__ = ["routers"]

# Literal paths before templates: `/customers/export` is no customer's id.
routers = [exchange.router, customers.router, users.router]
