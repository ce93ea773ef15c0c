"""How long somebody who fails to sign in has to wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["ADDRESS", "EMAIL", "Patience", "blocked_until", "failures_now"]

_LOCKED_FOR = timedelta(minutes=15)
_FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """After `free` failures each one more costs a pause that doubles; `locked_at` locks."""

    free: int
    locked_at: int


EMAIL = Patience(free=4, locked_at=10)
# Many people may share an address.
ADDRESS = Patience(free=20, locked_at=100)


def failures_now(failures: int, failed_at: datetime, now: datetime) -> int:
    """Failures that still count: an hour without one forgives all."""
    return failures if now - failed_at < _FORGOTTEN_AFTER else 0


def blocked_until(failures: int, patience: Patience, now: datetime) -> datetime | None:
    """Until when nothing is tried after this many failures in a row; None: go on."""
    if failures >= patience.locked_at:
        return now + _LOCKED_FOR
    if failures > patience.free:
        pause = timedelta(seconds=2.0 ** min(failures - patience.free, 9))
        return now + min(pause, _LOCKED_FOR)
    return None
