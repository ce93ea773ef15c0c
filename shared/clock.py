"""The one place that reads a clock or makes an id; everything below takes them as arguments."""

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = [
    "Clock",
    "NewId",
    "NewSecret",
    "SteppedClock",
    "clock_of",
    "new_id",
    "new_secret",
    "system_clock",
]

Clock = Callable[[], datetime]
NewId = Callable[[], UUID]
NewSecret = Callable[[], str]


def system_clock() -> datetime:
    return datetime.now(UTC)


class SteppedClock:
    """The system's time and what a file says it is ahead, in seconds: for development.

    All services look at one file, so that `kontor clock advance` steps them together. Without the
    file it is the system's clock.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead now; the file is read when it has changed."""
        try:
            found = os.stat(self._file)  # noqa: PTH116 - a third of Path.stat, at each request
            seen = found.st_mtime_ns, found.st_ino
            if seen != self._seen:
                self._ahead = timedelta(seconds=int(self._file.read_text("utf-8")))
                self._seen = seen
        except FileNotFoundError:
            self._ahead, self._seen = timedelta(), None
        return self._ahead

    def advance(self, by: timedelta) -> None:
        """Step forward; back never, for time does not."""
        if by < timedelta():
            raise ValueError("a clock only goes forward")
        written = self._file.with_suffix(".new")
        written.write_text(str(int((self.ahead + by).total_seconds())), "utf-8")
        written.replace(self._file)


def clock_of(test_clock: str) -> Clock:
    """The clock of a process: the system's, unless development names the file of a stepped one."""
    return SteppedClock(Path(test_clock)) if test_clock else system_clock


def new_id() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7). Nothing is ever sorted by it."""
    return uuid7()


def new_secret() -> str:
    """256 random bits as URL-safe text: nobody guesses it, so a plain hash keeps it safe."""
    return secrets.token_urlsafe(32)
