"""When failed work is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["SendFailure", "retry_at"]

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SendFailure:
    """Why a mail was not taken.

    `code`: the server's reply code (RFC 5321, 4.2); None when there was no answer.
    """

    code: int | None
    words: str

    @property
    def permanent(self) -> bool:
        return self.code is not None and 500 <= self.code < 600  # noqa: PLR2004 - RFC 5321, 4.2.1


def retry_at(now: datetime, attempts: int) -> datetime:
    """When to try again after `attempts` failures: 2 s, 4 s, 8 s ... at most an hour."""
    return now + min(_FIRST_PAUSE * float(2 ** min(attempts - 1, 20)), _LONGEST_PAUSE)
