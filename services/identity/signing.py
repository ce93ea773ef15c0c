"""Signing keys (Ed25519, RFC 8037) and the tokens they sign (RFC 9068)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

__all__ = ["NewKey", "Sealer", "new_key", "sign"]

_SEALED, _PLAIN = "fernet:", "plain:"


class Sealer:
    """Seals what has to be read again, if there is a key; without one it stays as it is.

    Raises:
        ValueError: the key is not 32 bytes as URL-safe base64.
    """

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(key) if key else None

    def seal(self, text: str) -> str:
        if self._fernet is None:
            return _PLAIN + text
        return _SEALED + self._fernet.encrypt(text.encode()).decode()

    def unseal(self, stored: str) -> str:
        """Read what was sealed, also what was stored before there was a key.

        Raises:
            ValueError: it was sealed with another key, or there is none now.
        """
        if stored.startswith(_PLAIN):
            return stored.removeprefix(_PLAIN)
        if self._fernet is None:
            raise ValueError("KONTOR_IDENTITY_KEY_ENCRYPTION_KEY is needed to open this")
        try:
            return self._fernet.decrypt(stored.removeprefix(_SEALED)).decode()
        except InvalidToken as error:
            raise ValueError("KONTOR_IDENTITY_KEY_ENCRYPTION_KEY does not open this") from error


@dataclass(frozen=True, slots=True)
class NewKey:
    """`private_key` is PEM (PKCS 8)."""

    kid: str
    public_jwk: Mapping[str, str]
    private_key: str


def new_key() -> NewKey:
    private = Ed25519PrivateKey.generate()
    public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    # The thumbprint of RFC 7638: the required members in the order of their names.
    canonical = json.dumps({name: public[name] for name in ("crv", "kty", "x")}, sort_keys=True)
    digest = sha256(canonical.replace(" ", "").encode()).digest()
    kid = urlsafe_b64encode(digest).decode().rstrip("=")
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    jwk = {"kty": public["kty"], "crv": public["crv"], "x": public["x"]}
    return NewKey(kid, {**jwk, "kid": kid, "alg": "EdDSA", "use": "sig"}, pem)


def sign(kid: str, private_key: str, claims: Mapping[str, Any]) -> str:
    key = load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("signing keys are Ed25519 keys")
    return jwt.encode(dict(claims), key, "EdDSA", headers={"kid": kid, "typ": "at+jwt"})
