"""Verifying signed access tokens (RFC 9068) with the keys an issuer publishes (RFC 7517).

Which algorithm may sign is decided here and bound to the key, never read from the token: a token
that names `none`, or HMAC with a public key as its secret, finds no key.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import jwt
import structlog

__all__ = ["KeysUnavailable", "PublishedKeys", "TokenRefused", "Verifier"]

log = structlog.get_logger()

ALGORITHMS = ("EdDSA", "ES256")
LEEWAY_S = 5.0
TOKEN_MAX_CHARS = 8_192
_TYPES = ("at+jwt", "application/at+jwt")
_KEYS_MAX = 32
_DOCUMENT_MAX_BYTES = 256 * 1024
_TIMEOUT_S = 5.0
# An unknown key asks the issuer again, but no flood of made-up ones does so more often than this.
_PAUSE_S = 10.0
_PAUSE_WITHOUT_KEYS_S = 1.0
# A key that the issuer has taken back is forgotten after this long.
_STALE_S = 300.0


class TokenRefused(Exception):
    """The token proves nothing; the message says why, in words the caller may see."""


class KeysUnavailable(Exception):
    """No key is known yet: the issuer has not answered since this process started."""


class PublishedKeys:
    """The keys of an issuer, by their ids; old ones are kept while the issuer is away.

    `url`: `http(s)://` or `file://`, a JWKS.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in {"http", "https", "file"}:
            raise ValueError("the address of a JWKS begins with http://, https:// or file://")
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = self._read_at = float("-inf")
        self._asking = asyncio.Lock()
        self.fetches = 0
        self.version = 0

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id.

        Raises:
            KeysUnavailable: there are no keys at all.
        """
        if self._is_due(kid):
            async with self._asking:
                if self._is_due(kid):
                    try:
                        await self._ask()
                    finally:  # only now: who comes meanwhile waits for the answer
                        self._asked_at = time.monotonic()
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        now = time.monotonic()
        pause = _PAUSE_S if self._keys else _PAUSE_WITHOUT_KEYS_S
        wanted = kid not in self._keys or now - self._read_at >= _STALE_S
        return wanted and now - self._asked_at >= pause

    async def _ask(self) -> None:
        self.fetches += 1
        try:
            found = _usable_keys(json.loads(await _read(self._url)))
        except (OSError, httpx.HTTPError, ValueError, RecursionError) as error:
            log.warning("keys not fetched", url=self._url, error=repr(error))
            return
        self._read_at = time.monotonic()
        if not self._keys.keys() <= found.keys():
            self.version += 1  # a key was taken back: what it signed counts no longer
        self._keys = found


async def _read(url: str) -> bytes:
    if url.startswith("file:"):
        return await asyncio.to_thread(Path(url2pathname(urlsplit(url).path)).read_bytes)
    content = b""
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client,
        client.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > _DOCUMENT_MAX_BYTES:
                raise ValueError("the JWKS is too large")
    return content


def _usable_keys(document: Any) -> dict[str, jwt.PyJWK]:
    """The signing keys of a JWKS that we would accept a signature of."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS")  # noqa: TRY004 - content, not an argument
    usable = {}
    for entry in document["keys"][:_KEYS_MAX]:
        try:
            key = jwt.PyJWK.from_dict(entry)
        except (jwt.PyJWTError, TypeError, AttributeError, ValueError):
            continue  # a kind of key we do not use
        signs = entry.get("use", "sig") == "sig"
        if signs and key.algorithm_name in ALGORITHMS and isinstance(entry.get("kid"), str):
            usable[entry["kid"]] = key
    return usable


class Verifier:
    """Says what a token claims, if `issuer` signed it for `audience` and it is in force."""

    def __init__(self, issuer: str, audience: str, keys: PublishedKeys) -> None:
        self._issuer = issuer
        self._audience = audience
        self.keys = keys

    async def claims(self, token: str, *, now: datetime) -> Mapping[str, Any]:
        """Verify a token.

        Raises:
            TokenRefused: it is malformed, not signed by a known key, or not in force.
            KeysUnavailable: it cannot be checked now.
        """
        try:
            head = jwt.get_unverified_header(token[: TOKEN_MAX_CHARS + 1])
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefused("The token is malformed.") from error
        kid, kind = head.get("kid"), head.get("typ")
        if head.get("alg") not in ALGORITHMS:
            raise TokenRefused("The token is signed with an algorithm that is not accepted.")
        if kind is not None and str(kind).lower() not in _TYPES:
            raise TokenRefused("This kind of token is not accepted.")
        key = await self.keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenRefused("The token is signed with an unknown key.")
        claims = self._checked(token, key)
        _in_force(claims, now.timestamp())
        return claims

    def _checked(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[str(key.algorithm_name)],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    # Against the time that comes in from the edge, below.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError as error:
            raise TokenRefused("The token is meant for somebody else.") from error
        except jwt.InvalidIssuerError as error:
            raise TokenRefused("The token is from an issuer that is not accepted.") from error
        except jwt.MissingRequiredClaimError as error:
            raise TokenRefused(f"The token lacks the claim {error.claim}.") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefused("The signature of the token is not valid.") from error


def _in_force(claims: Mapping[str, Any], now: float) -> None:
    for name in ("exp", "nbf"):
        if not isinstance(claims.get(name, 0), int | float) or isinstance(claims.get(name), bool):
            raise TokenRefused(f"The claim {name} must be a number.")
    if now >= claims["exp"] + LEEWAY_S:
        raise TokenRefused("The token has expired.")
    if now < claims.get("nbf", 0) - LEEWAY_S:
        raise TokenRefused("The token is not valid yet.")
