"""Tokens for tests: an issuer with keys of its own, so that no test waits for identity."""

import atexit
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from services.identity.domain.roles import SCOPES
from shared.auth import Gate
from shared.tokens import PublishedKeys, Verifier

__all__ = ["Issuer", "issuer"]


class Issuer:
    """Publishes its key in a file and signs what a test wants signed."""

    def __init__(self, name: str, folder: Path, *, kid: str = "test-1") -> None:
        self.name = name
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()
        self.file = folder / f"{kid}.jwks.json"
        self.file.write_text(json.dumps({"keys": [self.public]}))

    @property
    def url(self) -> str:
        return self.file.as_uri()

    @property
    def public(self) -> dict[str, Any]:
        public: dict[str, Any] = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": "EdDSA", "use": "sig"}

    @property
    def environment(self) -> dict[str, str]:
        return {"KONTOR_AUTH_ISSUER": self.name, "KONTOR_AUTH_JWKS_URL": self.url}

    def gate(self) -> Gate:
        return Gate(Verifier(self.name, "kontor", PublishedKeys(self.url)))

    def claims(self, **different: Any) -> dict[str, Any]:
        """The claims of an administrator; None leaves one out."""
        now = datetime.now(UTC)
        claims = {
            "iss": self.name,
            "aud": "kontor",
            "sub": "operator:test",
            "scope": " ".join(sorted(SCOPES)),
            "iat": now,
            "exp": now + timedelta(hours=4),
            **different,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self,
        scopes: Iterable[str] = SCOPES,
        *,
        subject: str = "operator:test",
        customer_ids: Iterable[UUID | str] | None = None,
        **different: Any,
    ) -> str:
        own = None if customer_ids is None else [str(customer) for customer in customer_ids]
        claims = self.claims(sub=subject, scope=" ".join(scopes), customer_ids=own, **different)
        return self.signed(claims)

    def signed(self, claims: dict[str, Any], **headers: Any) -> str:
        head = {"kid": self.kid, "typ": "at+jwt", **headers}
        return jwt.encode(claims, self.key, "EdDSA", headers=head)

    def headers(self, scopes: Iterable[str] = SCOPES, **options: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(scopes, **options)}"}


@cache
def issuer() -> Issuer:
    """The one whose tokens every API of a test accepts."""
    folder = Path(mkdtemp(prefix="kontor-keys-"))
    atexit.register(rmtree, folder)
    return Issuer("https://issuer.example", folder)
