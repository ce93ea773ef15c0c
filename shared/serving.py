"""Building a service's API."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, FastAPI

from shared.audit_api import audit_router
from shared.auth import Gate
from shared.clock import clock_of
from shared.database import Database
from shared.failures_api import failures_router
from shared.http import create_api
from shared.messaging.wakeup import Wakeup
from shared.settings import Settings

__all__ = ["api_of"]


def api_of(
    settings: Settings, routers: Sequence[APIRouter], *, on_stop: Callable[[], None] = lambda: None
) -> FastAPI:
    """A service's API on an database of its own; what it commits wakes the relay at once.

    `on_stop` is called when it has ended.

    Raises:
        ValueError: it is not said whose tokens it accepts.
    """
    wakeup = Wakeup(settings.database_url)
    return create_api(
        settings.service,
        [failures_router(settings.service), audit_router(settings.service), *routers],
        Database(settings.database_url, settings.database_pool_size),
        gate=Gate.of(settings),
        committed=wakeup.hint,
        background=[wakeup.run],
        clock=clock_of(settings.test_clock),
        on_stop=on_stop,
    )
