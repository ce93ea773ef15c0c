"""Where the console is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from services.console.edge import HANDLERS, Guarded
from services.console.gateways import Gateways
from services.console.pages import router
from services.console.sessions import Sessions
from services.console.settings import ConsoleSettings
from shared import metrics
from shared.clock import clock_of
from shared.service import EdgeService

__all__ = ["SERVICE", "build_api"]


def build_api(
    settings: ConsoleSettings, transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Build the console; `transport` reaches services inside this process, for tests."""
    gateways = Gateways(settings, transport)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateways.close()

    app = FastAPI(title="Kontor console", openapi_url=None, lifespan=lifespan)
    app.state.gateways, app.state.sessions = gateways, Sessions()
    app.state.clock = clock_of(settings.test_clock)
    app.include_router(router)
    for kind, handler in HANDLERS:
        app.add_exception_handler(kind, handler)
    app.add_middleware(Guarded)
    app.add_route("/metrics", metrics.exposition)
    return app


SERVICE = EdgeService(ConsoleSettings, build_api)
