"""Which signing key signs, which are listed, and when a new one is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

__all__ = ["ListedKey", "listed", "retire", "signer", "stale"]

# Verifiers that cannot be reached by an unknown key have the new one by then.
LEAD = timedelta(minutes=15)
# Verifiers allow some seconds, and clocks differ.
_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """`listed_until` None: until a newer one has taken its place."""

    kid: str
    signs_from: datetime
    listed_until: datetime | None = None


def listed(keys: Sequence[ListedKey], now: datetime) -> list[ListedKey]:
    return [key for key in keys if key.listed_until is None or key.listed_until > now]


def signer(keys: Sequence[ListedKey], now: datetime) -> ListedKey | None:
    """The newest key that may sign already."""
    ready = [key for key in listed(keys, now) if key.signs_from <= now]
    return max(ready, key=lambda key: key.signs_from, default=None)


def stale(keys: Sequence[ListedKey], now: datetime, every: timedelta) -> bool:
    """Tell whether it is time for a new key."""
    newest = max((key.signs_from for key in listed(keys, now)), default=None)
    return newest is None or now - newest >= every


def retire(
    keys: Sequence[ListedKey], successor: ListedKey, now: datetime, token_life: timedelta
) -> list[ListedKey]:
    """Older keys, listed until the last token they sign before `successor` takes over is expired.

    A key that has its end already keeps it.
    """
    end = max(successor.signs_from, now) + token_life + _MARGIN
    return [replace(key, listed_until=end) for key in keys if key.listed_until is None]
