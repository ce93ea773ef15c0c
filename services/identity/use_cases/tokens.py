"""Tokens for API clients and for the sessions of operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.credentials import hash_secret, same_secret
from services.identity.domain.roles import scopes_of
from services.identity.domain.session import ended
from services.identity.repository import clients, operators, sessions
from services.identity.settings import IdentitySettings
from services.identity.signing import sign
from services.identity.use_cases.keys import take_signer
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Unauthenticated

__all__ = ["Issued", "OAuthRefusal", "issue_for_client", "issue_for_machine", "issue_for_session"]

# Compared with when there is no such client, so that both take the same time.
_NOBODY = hash_secret("")


class OAuthRefusal(Exception):
    """`code`: an error of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Issued:
    """`expires_in`: seconds."""

    token: str
    expires_in: int
    scopes: tuple[str, ...]
    operator: Any = None


async def issue_for_client(
    tx: Tx,
    client_id: str,
    secret: str,
    wanted: frozenset[str] | None,
    settings: IdentitySettings,
    *,
    now: datetime,
    new_id: NewId,
) -> Issued:
    """A token for a client that knows its secret (RFC 6749, 4.4).

    Args:
        wanted: fewer scopes than the client has; None: all of them.

    Raises:
        OAuthRefusal: the client is unknown or switched off, or has not the scopes.
    """
    try:
        row = await clients.get_client(tx, UUID(client_id))
    except ValueError:
        row = None
    known = same_secret(secret, row.secret_hash if row else _NOBODY)
    if not (row and known and row.active):
        raise OAuthRefusal("invalid_client", "The client is unknown, or its secret is wrong.")
    scopes = frozenset(row.scopes) if wanted is None else wanted
    if not scopes <= frozenset(row.scopes):
        raise OAuthRefusal("invalid_scope", "The client has not all of these scopes.")
    own: dict[str, Any] = {"client_id": str(row.id)}
    if row.customer_ids is not None:
        own["customer_ids"] = row.customer_ids
    subject, life = f"client:{row.id}", settings.client_token_s
    return await _issue(tx, subject, scopes, own, settings, life_s=life, now=now, new_id=new_id)


async def issue_for_session(
    tx: Tx, secret: str, settings: IdentitySettings, *, now: datetime, new_id: NewId
) -> Issued:
    """A token for the operator whose session this is.

    Raises:
        Unauthenticated: there is no such session, it has ended, or the operator is not active.
    """
    session = await sessions.lock_session(tx, hash_secret(secret))
    operator = await operators.get_operator(tx, session.operator_id) if session else None
    over = session is None or ended(
        session.used_at, session.expires_at, settings.session_idle_minutes, now
    )
    if over or operator is None or not operator.active:
        raise Unauthenticated("session_ended", "The session has ended; sign in again.")
    await sessions.touch_session(tx, session.id, now=now)
    own = {"client_id": "console", "role": operator.role, "sid": str(session.id)}
    issued = await _issue(
        tx,
        f"operator:{operator.id}",
        scopes_of(operator.role),
        own,
        settings,
        life_s=settings.operator_token_s,
        now=now,
        new_id=new_id,
    )
    return Issued(issued.token, issued.expires_in, issued.scopes, operator)


async def issue_for_machine(
    tx: Tx,
    name: str,
    scopes: frozenset[str],
    settings: IdentitySettings,
    *,
    now: datetime,
    new_id: NewId,
) -> Issued:
    """A token for the command line of whoever can reach identity's database anyway."""
    subject, life = f"machine:{name}", settings.operator_token_s
    own = {"client_id": "kontor"}
    return await _issue(tx, subject, scopes, own, settings, life_s=life, now=now, new_id=new_id)


async def _issue(
    tx: Tx,
    subject: str,
    scopes: frozenset[str],
    own: Mapping[str, Any],
    settings: IdentitySettings,
    *,
    life_s: int,
    now: datetime,
    new_id: NewId,
) -> Issued:
    signer = await take_signer(tx, settings, now=now)
    begun = int(now.timestamp())
    claims = {
        "iss": settings.auth_issuer,
        "aud": settings.auth_audience,
        "sub": subject,
        "iat": begun,
        "exp": begun + life_s,
        "jti": str(new_id()),
        "scope": " ".join(sorted(scopes)),
        **own,
    }
    token = sign(signer.kid, signer.private_key, claims)
    return Issued(token, life_s, tuple(sorted(scopes)))
