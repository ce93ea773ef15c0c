"""Who calls, and what they may do. Every route of every service passes through `access`.

Denied by default: a route without a rule cannot be built, a caller without the scope is refused
before anything of the request is read, and a caller who is restricted to certain customers reaches
only routes that say how they keep to it.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self, get_type_hints
from uuid import UUID

from starlette.requests import Request

from shared.clock import NewId
from shared.database import Tx
from shared.errors import Forbidden, KontorError, NotFound, Unauthenticated, Unavailable
from shared.rates import Rate
from shared.settings import Settings
from shared.tokens import KeysUnavailable, PublishedKeys, TokenRefused, Verifier

__all__ = [
    "ANYBODY",
    "Call",
    "Caller",
    "Gate",
    "Rule",
    "access",
    "admit",
    "authenticate",
    "named_rule",
    "open_to_all",
    "required_scope",
    "rule_of",
    "signed_by_sender",
]

_REMEMBERED_MAX = 10_000
# Subjects are stored and shown: nothing that a database or a log could stumble over.
_SUBJECT = re.compile(r"[\x21-\x7e]{1,200}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        subject: such as `operator:<id>` or `client:<id>`.
        customer_ids: the only customers that exist for this caller; None: all of them.
    """

    subject: str
    scopes: frozenset[str]
    customer_ids: frozenset[UUID] | None = None


ANYBODY = Caller("anybody", frozenset())


@dataclass(frozen=True, slots=True)
class Call:
    """What a route works with: one transaction, one instant, one caller."""

    tx: Tx
    now: datetime
    new_id: NewId
    caller: Caller


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks of its caller.

    Attributes:
        scope: None: anybody may call.
        per_customer: the route shows a restricted caller nothing of other customers.
        confidential: bodies or answers hold secrets, so nothing of them is stored: an
            `Idempotency-Key` is not heeded.
        signed: instead of a token, the body has a signature that the service checks itself.
    """

    scope: str | None
    per_customer: bool = False
    confidential: bool = False
    signed: bool = False


def access(scope: str, *, per_customer: bool = False, confidential: bool = False) -> Rule:
    """Return the rule that asks for a scope such as `invoices:read`, to be noted at the call.

    Routes with a `customer_id` in their path keep restricted callers to it by themselves; others
    that can do so say `per_customer` and pass the caller's `customer_ids` to the repository.
    """
    return Rule(scope, per_customer, confidential)


def open_to_all() -> Rule:
    """Return the rule of a route that anybody may call: those that hand out tokens."""
    return Rule(None, confidential=True)


def signed_by_sender() -> Rule:
    """Return the rule of a route for programs that have no token: they sign what they send.

    The service's `app.state.check_signature` tells who they are, before anything is read of what
    they say. They know a message again by an id of their own, not by an `Idempotency-Key`.
    """
    return Rule(None, confidential=True, signed=True)


def named_rule(endpoint: Callable[..., Any]) -> tuple[str, Rule]:
    """The parameter of a route's function that is its call, and the rule that goes with it.

    Raises:
        TypeError: there is none, so nobody could be let in.
    """
    for name, kind in get_type_hints(endpoint, include_extras=True).items():
        for note in getattr(kind, "__metadata__", ()):
            if isinstance(note, Rule):
                return name, note
    raise TypeError(f"{endpoint.__qualname__} has no access rule")


def rule_of(route: Any) -> Rule | None:
    """The rule of a route, or None when it has none (a test finds those)."""
    rule: Rule | None = getattr(route, "rule", None)
    return rule


def required_scope(route: Any) -> str | None:
    """The scope a route asks for, or None when anybody may call it."""
    rule = rule_of(route)
    return rule.scope if rule else None


class Gate:
    """Stands before the routes of a service: whose token it is, and how often they may call."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        rate: str = "600/second",
        anonymous_rate: str = "60/minute",
    ) -> None:
        self.verifier = verifier
        self._rate = Rate(rate)
        self._anonymous_rate = Rate(anonymous_rate)
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._keys_version = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Build it from settings.

        Raises:
            ValueError: issuer or keys are not set; without them everybody would be let in.
        """
        if not settings.auth_issuer or not settings.auth_jwks_url:
            raise ValueError("an API needs KONTOR_AUTH_ISSUER and KONTOR_AUTH_JWKS_URL")
        verifier = Verifier(
            settings.auth_issuer, settings.auth_audience, PublishedKeys(settings.auth_jwks_url)
        )
        return cls(verifier, rate=settings.rate_limit, anonymous_rate=settings.anonymous_rate_limit)

    async def caller(self, token: str, *, now: datetime) -> Caller:
        """Whose token it is. Its signature is checked once, then it is known until it expires.

        Raises:
            Unauthenticated: it proves nothing.
            Unavailable: it cannot be checked now.
        """
        if self._keys_version != self.verifier.keys.version:
            self._keys_version = self.verifier.keys.version
            self._known.clear()
        fingerprint = sha256(token.encode("utf-8", "replace")).digest()
        known = self._known.get(fingerprint)
        if known and now.timestamp() < known[1]:
            self._known.move_to_end(fingerprint)
            return known[0]
        try:
            claims = await self.verifier.claims(token, now=now)
            caller = _caller(claims)
        except TokenRefused as error:
            raise Unauthenticated("invalid_token", str(error)) from error
        except KeysUnavailable as error:
            raise Unavailable("keys_unavailable", "Tokens cannot be checked; try again.") from error
        self._known[fingerprint] = (caller, claims["exp"])
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
        return caller

    def count(self, caller: Caller) -> None:
        self._rate.count(caller.subject)

    def count_anonymous(self, request: Request) -> None:
        self._anonymous_rate.count(request.client.host if request.client else "unknown")


def _caller(claims: Mapping[str, Any]) -> Caller:
    subject = claims["sub"]
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenRefused("The claim sub must be 1 to 200 printable characters.")
    customers = claims.get("customer_ids")
    if customers is not None:
        try:
            customers = frozenset(UUID(customer) for customer in customers)
        except (TypeError, ValueError, AttributeError) as error:
            raise TokenRefused("The claim customer_ids must be a list of ids.") from error
    return Caller(subject, _scopes(claims), customers)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scope` as RFC 9068 has it; other issuers send a list, or call it `scp`."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given
    if not isinstance(words, list) or not all(
        isinstance(word, str) and _SCOPE.fullmatch(word) for word in words
    ):
        raise TokenRefused("The claim scope must be a list of scopes.")
    return frozenset(words)


async def authenticate(request: Request) -> Caller:
    """Whose token the request carries.

    Raises:
        Unauthenticated: it carries none, or one that proves nothing.
        TooManyRequests: too many such requests came from this address.
        Unavailable: tokens cannot be checked now.
    """
    gate: Gate = request.app.state.gate
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        gate.count_anonymous(request)
        raise Unauthenticated("token_missing", "This needs a bearer token.")
    try:
        return await gate.caller(token.strip(), now=request.app.state.clock())
    except Unauthenticated:
        gate.count_anonymous(request)
        raise


async def admit(request: Request, rule: Rule) -> Caller:
    """Let in who may call this route; called before anything else of the request is looked at.

    Raises:
        Forbidden: a scope is missing, or a restricted caller asks for what concerns everybody.
        NotFound: the customer in the path does not exist for this caller.
        Unauthenticated, TooManyRequests, Unavailable: see `authenticate`.
    """
    gate: Gate = request.app.state.gate
    if rule.signed:
        return await _sender(request, gate)
    if rule.scope is None:
        gate.count_anonymous(request)
        return ANYBODY
    caller = await authenticate(request)
    gate.count(caller)
    if rule.scope not in caller.scopes:
        raise Forbidden("scope_missing", f"This needs the scope {rule.scope}.", scope=rule.scope)
    if caller.customer_ids is not None and not rule.per_customer:
        _keep_to_customer(request, caller.customer_ids)
    return caller


async def _sender(request: Request, gate: Gate) -> Caller:
    try:
        caller: Caller = await request.app.state.check_signature(request)
    except KontorError:
        gate.count_anonymous(request)
        raise
    gate.count(caller)
    return caller


def _keep_to_customer(request: Request, customer_ids: frozenset[UUID]) -> None:
    named = request.path_params.get("customer_id")
    if named is None:
        raise Forbidden("restricted_caller", "Callers for certain customers may not do this.")
    if str(named).lower() not in map(str, customer_ids):
        raise NotFound("customer", named)
