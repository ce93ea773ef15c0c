"""The one place that reads a clock or makes an id; everything below takes them as arguments."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["Clock", "NewId", "NewSecret", "new_id", "new_secret", "system_clock"]

Clock = Callable[[], datetime]
NewId = Callable[[], UUID]
NewSecret = Callable[[], str]


def system_clock() -> datetime:
    return datetime.now(UTC)


def new_id() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7). Nothing is ever sorted by it."""
    return uuid7()


def new_secret() -> str:
    """256 random bits as URL-safe text: nobody guesses it, so a plain hash keeps it safe."""
    return secrets.token_urlsafe(32)
