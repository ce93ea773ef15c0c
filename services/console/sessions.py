"""Who is signed in: an opaque id in a cookie, swapped for a token that is kept for minutes."""

import hmac
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from services.console.gateways import Voice

__all__ = [
    "Session",
    "Sessions",
    "csrf_of",
    "forget_cookie",
    "keep_cookie",
    "local_path",
    "same",
    "session_cookie",
    "visit_cookie",
]

_REMEMBERED_MAX = 10_000
_EARLY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Session:
    """What identity says about a session; `operator` as its API has it."""

    token: str
    scopes: frozenset[str]
    operator: dict[str, Any]
    good_until: datetime


class Sessions:
    """Tokens by session, so that not every click asks identity. Losing them costs one request."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    async def swap(self, secret: str, identity: Voice, *, now: datetime) -> Session:
        """The session's token.

        Raises:
            Refused: the session is unknown or over.
            Away: identity does not answer and no token is remembered.
        """
        key = _key(secret)
        if (known := self._known.get(key)) and known.good_until > now:
            return known
        self._known.pop(key, None)
        answer = await identity.post("/sessions/token", headers={"kontor-session": secret})
        found = Session(
            answer["access_token"],
            frozenset(answer["scope"].split()),
            answer["operator"],
            now + timedelta(seconds=answer["expires_in"]) - _EARLY,
        )
        self._known[key] = found
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)
        return found

    def forget(self, secret: str) -> None:
        self._known.pop(_key(secret), None)


def _key(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def csrf_of(secret: str) -> str:
    """What a form carries to prove that it came from a page of this session.

    It is made from the session's secret, which no other site knows, and does not give it away.
    """
    return hmac.new(secret.encode(), b"kontor console form", sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _name(request: Request, name: str) -> str:
    # The prefix makes browsers refuse it from a subdomain or without TLS (RFC 6265bis, 4.1.3.2).
    return f"__Host-{name}" if request.url.scheme == "https" else name


def session_cookie(request: Request) -> str:
    return request.cookies.get(_name(request, "kontor_session"), "")[:200]


def visit_cookie(request: Request) -> str:
    """Who has not signed in yet has a visit, so that sign-in forms cannot be forged either."""
    return request.cookies.get(_name(request, "kontor_visit"), "")[:200]


def keep_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie that ends with the browser and that no script reads."""
    response.set_cookie(
        _name(request, name),
        value,
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
        path="/",
    )


def forget_cookie(request: Request, response: Response, name: str) -> None:
    secure = request.url.scheme == "https"
    response.delete_cookie(
        _name(request, name), httponly=True, secure=secure, samesite="lax", path="/"
    )


def local_path(target: str) -> str:
    """A path on this console, or the first page: never another site, whatever a link says."""
    parts = urlsplit(target.replace("\\", "/"))
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith("//"):
        return "/"
    return target if target.isprintable() else "/"
