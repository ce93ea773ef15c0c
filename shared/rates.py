"""How often somebody may call: counted per process, which bounds what one client can cost it."""

import time
from collections import Counter
from collections.abc import Callable

from shared.errors import TooManyRequests

__all__ = ["Rate"]

_WINDOWS_S = {"second": 1, "minute": 60, "hour": 3_600}


class Rate:
    """`allowed`: such as `600/second` or `20/minute`, per key.

    Windows are fixed and the same for all keys, so that counting is one addition and what is
    remembered is forgotten as a whole; around the end of one, twice as much may pass.

    Raises:
        ValueError: it is not a number per second, minute or hour.
    """

    def __init__(self, allowed: str, clock: Callable[[], float] = time.monotonic) -> None:
        amount, _, window = allowed.partition("/")
        if not amount.isdecimal() or window not in _WINDOWS_S:
            raise ValueError(f"a rate is such as 600/second, not {allowed!r}")
        self._most, self._window_s = int(amount), _WINDOWS_S[window]
        self._clock = clock
        self._ends = 0.0
        self._counted: Counter[str] = Counter()

    def count(self, key: str) -> None:
        """Count one call.

        Raises:
            TooManyRequests: that is one more than allowed; a whole window later there is room.
        """
        now = self._clock()
        if now >= self._ends:
            self._ends = now + self._window_s
            self._counted.clear()
        self._counted[key] += 1
        if self._counted[key] > self._most:
            raise TooManyRequests(self._window_s)
