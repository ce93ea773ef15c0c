"""Passwords, one-time codes and random secrets: how they are stored and compared."""

import asyncio
from base64 import b32encode
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pyotp import TOTP

from shared.clock import NewSecret

__all__ = [
    "ABSENT",
    "RECOVERY_CODES",
    "hash_password",
    "hash_secret",
    "new_recovery_codes",
    "new_totp_secret",
    "password_is",
    "recovery_code",
    "same_secret",
    "totp_step",
    "totp_uri",
]

# OWASP's minimum for argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Off the event loop, and at most two at a time: a flood of attempts must not take all memory.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="argon2")
_STEP_S = 30
RECOVERY_CODES = 10

ABSENT = (
    "$argon2id$v=19$m=19456,t=2,p=1$oYtZJeyhRSJlBMxx8VQ4dg"
    "$t7hHT+uyGGSSLIcoM+vg1CJ2F2wBD9/doTG3cwO7SmY"
)
"""The hash of nobody's password: who does not exist takes as long as who does."""


async def hash_password(password: str) -> str:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, _HASHER.hash, password)


async def password_is(password: str, stored: str | None) -> bool:
    """Compare a password with a stored hash, in the same time when there is none."""
    loop = asyncio.get_running_loop()
    same = await loop.run_in_executor(_THREADS, _verified, stored or ABSENT, password)
    return same and stored is not None


def _verified(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def hash_secret(secret: str) -> str:
    """SHA-256 is right for secrets of 80 random bits and more: there is nothing to guess."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same_secret(secret: str, stored_hash: str) -> bool:
    return compare_digest(hash_secret(secret), stored_hash)


def new_totp_secret(new_secret: NewSecret) -> str:
    """160 random bits (RFC 4226, 4 R6) in base32."""
    return b32encode(sha256(new_secret().encode()).digest()[:20]).decode()


def totp_uri(secret: str, email: str) -> str:
    """What authenticator apps read as a QR code."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name="Kontor")


def totp_step(secret: str, code: str, *, last_step: int, now: datetime) -> int | None:
    """The time step a code is of, or None when it is wrong or was used (RFC 6238, 5.2).

    One step before and after count, for clocks that differ.
    """
    step = int(now.timestamp()) // _STEP_S
    for candidate in (step - 1, step, step + 1):
        expected = TOTP(secret).generate_otp(candidate)
        if compare_digest(expected, code) and candidate > last_step:
            return candidate
    return None


def new_recovery_codes(new_secret: NewSecret) -> list[str]:
    """Ten codes of 80 random bits, as `abcd-efgh-ijkl-mnop`."""
    return [_grouped(b32encode(sha256(new_secret().encode()).digest()[:10])) for _ in range(10)]


def _grouped(text: bytes) -> str:
    code = text.decode().lower()
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def recovery_code(typed: str, stored_hashes: Collection[str]) -> str | None:
    """The stored hash of a recovery code as somebody typed it, if it is one."""
    digest = hash_secret(typed.strip().lower())
    return next((stored for stored in stored_hashes if compare_digest(stored, digest)), None)
