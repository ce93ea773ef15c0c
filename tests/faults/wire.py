"""A wire between programs and their PostgreSQL that a test can cut: a TCP proxy on loopback."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlsplit

from deploy.local.process import HOST, PORTS, is_free

__all__ = ["Fate", "Wire"]

Fate = Literal["before", "after"]
"""Whether the connection is lost before or after the server has committed."""

# What asyncpg sends to commit; it never carries a row.
_COMMIT = b"COMMIT;\x00"


@dataclass(eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    muted: bool = False

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Wire:
    """Enter it to have `url` lead to the database.

    Attributes:
        lost: set when a connection was lost at its commit, as `lose_at_commit` has asked for.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._fate: Fate | None = None
        self._server: asyncio.Server | None = None
        self.lost = asyncio.Event()
        self._port = next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))

    @property
    def url(self) -> str:
        user = self._target.netloc.rpartition("@")[0]
        return self._target._replace(netloc=f"{user}@{HOST}:{self._port}").geturl()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections and refuse new ones."""
        if self._server:
            self._server.close()
            self._server = None
        for link in self._links:
            link.abort()

    def hang(self) -> None:
        """Keep all connections, take new ones, and let no byte pass."""
        self._flowing.clear()

    async def mend(self) -> None:
        self._fate = None
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, HOST, self._port)

    def lose_at_commit(self, fate: Fate) -> None:
        """Break the connection that commits next; the others stay."""
        self._fate = fate
        self.lost.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(
                self._target.hostname, self._target.port
            )
            link = _Link(writer, up_writer)
            self._links.add(link)
            with suppress(ConnectionError):
                await asyncio.gather(self._outward(link, reader), self._homeward(link, up_reader))
            link.abort()
            self._links.discard(link)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _outward(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65_536):
            await self._flowing.wait()
            if self._fate and _COMMIT in chunk:
                fate, self._fate = self._fate, None
                self.lost.set()
                if fate == "before":
                    break
                # The server's answer shows that it has committed; then the wire breaks.
                link.muted = True
            link.server.write(chunk)
            await link.server.drain()
        link.abort()

    async def _homeward(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65_536):
            await self._flowing.wait()
            if link.muted:
                break
            link.client.write(chunk)
            await link.client.drain()
        link.abort()
