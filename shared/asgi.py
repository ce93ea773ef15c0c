"""Serving an ASGI application with uvicorn, inside a process that handles signals itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

__all__ = ["serve"]


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: Any,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    graceful_timeout_s: float = 5.0,
    trusted_proxies: str = "127.0.0.1",
) -> None:
    """Serve until `stop` is set or the task cancelled; requests under way are finished.

    Raises:
        RuntimeError: it could not start or ended by itself, for example since the port is taken.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=int(graceful_timeout_s),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended_by_itself = not stop.is_set()
    finally:  # also when cancelled: sockets are closed and answers finished
        server.should_exit = True
        stopping.cancel()
        await serving
    if ended_by_itself:
        raise RuntimeError(f"the server on {host}:{port} ended")
