"""How often somebody may call: counted per process, which bounds what one client can cost it."""

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from shared.errors import TooManyRequests

__all__ = ["Rate"]


class Rate:
    """`allowed`: such as `600/second` or `20/minute`, per key."""

    def __init__(self, allowed: str) -> None:
        self._allowed = parse(allowed)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def count(self, key: str) -> None:
        """Count one call.

        Raises:
            TooManyRequests: that is one more than allowed; a whole window later there is room.
        """
        if not await self._limiter.hit(self._allowed, key):
            raise TooManyRequests(self._allowed.get_expiry())
