"""Serving an API over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI

from shared.database import create_engine
from shared.failures_api import failures_router
from shared.http import create_api
from shared.messaging.wakeup import Wakeup
from shared.settings import Settings

__all__ = ["api_of", "serve"]


def api_of(settings: Settings, routers: Sequence[APIRouter]) -> FastAPI:
    """A service's API on an engine of its own; what it commits wakes the relay at once."""
    wakeup = Wakeup(settings.database_url)
    return create_api(
        settings.service,
        [*routers, failures_router(settings.service)],
        create_engine(settings.database_url, settings.database_pool_size),
        committed=wakeup.hint,
        background=[wakeup.run],
    )


async def serve(app: Any, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`; requests under way are finished."""
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.graceful_timeout_s),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.set()  # uvicorn takes signals for itself while it runs
    stopping.cancel()
    await serving
