"""Which scopes a role stands for. Services ask for scopes; roles exist only here."""

from collections.abc import Mapping
from typing import Literal

__all__ = ["ROLES", "SCOPES", "Role", "scopes_of"]

Role = Literal["viewer", "support", "billing", "admin"]

_READ = frozenset(
    f"{resource}:read"
    for resource in (
        "account",
        "audit",
        "catalogue",
        "clients",
        "customers",
        "deliveries",
        "entitlements",
        "failures",
        "invoices",
        "operators",
        "payments",
        "settings",
        "subscriptions",
        "users",
    )
)
_VIEWER = _READ - {"audit:read"} | {"account:write"}
_SUPPORT = _VIEWER | {"customers:write", "deliveries:write", "users:write"}
_BILLING = _SUPPORT | {"invoices:write", "payments:write", "subscriptions:write"}
_ADMIN = _BILLING | {
    "audit:read",
    "catalogue:write",
    "clients:write",
    "failures:write",
    "operators:write",
    "settings:write",
}

ROLES: Mapping[Role, frozenset[str]] = {
    "viewer": _VIEWER,
    "support": _SUPPORT,
    "billing": _BILLING,
    "admin": _ADMIN,
}
SCOPES = _ADMIN
"""All there are: an administrator has every one of them."""


def scopes_of(role: str) -> frozenset[str]:
    """The scopes of a role; none for a name that is no role."""
    return next((scopes for name, scopes in ROLES.items() if name == role), frozenset())
