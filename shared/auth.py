"""Who calls, and what they may do. Every route of every service passes through `access`.

Tokens are not checked yet: whoever reaches the API is the local operator with every scope, and
the API therefore binds to loopback by default. The check of signed tokens will stand in
`authenticate`, and nowhere else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from shared.clock import NewId
from shared.database import Tx
from shared.errors import Forbidden

__all__ = ["Call", "Caller", "access", "authenticate", "required_scope"]


@dataclass(frozen=True, slots=True)
class Caller:
    """`scopes` None means all of them."""

    subject: str
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What a route works with: one transaction, one instant, one caller."""

    tx: Tx
    now: datetime
    new_id: NewId
    caller: Caller


async def authenticate(request: Request) -> Caller:  # noqa: ARG001 - the token will be in it
    return Caller(subject="local")


class _Access:
    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Call:
        call: Call = request.state.call
        if call.caller.scopes is not None and self.scope not in call.caller.scopes:
            raise Forbidden("scope_missing", f"This needs the scope {self.scope}.")
        return call


def access(scope: str) -> Any:
    """Return the dependency that asks for a scope such as `invoices:read` and gives the call."""
    return Depends(_Access(scope))


def required_scope(route: Any) -> str | None:
    """The scope a route asks for, or None when it has no access rule (a test finds those)."""
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, _Access):
            return dependency.call.scope
    return None
