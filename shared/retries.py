"""When failed work is tried again."""

from datetime import datetime, timedelta

__all__ = ["retry_at"]

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(hours=1)


def retry_at(now: datetime, attempts: int) -> datetime:
    """When to try again after `attempts` failures: 2 s, 4 s, 8 s ... at most an hour."""
    return now + min(_FIRST_PAUSE * float(2 ** min(attempts - 1, 20)), _LONGEST_PAUSE)
