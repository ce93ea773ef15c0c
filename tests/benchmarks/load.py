"""A load client that costs little itself: HTTP/1.1 over kept connections, nothing else."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Ask", "requests_per_second", "until_listening"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, ready to be sent, and the status it must get."""

    content: bytes
    status: int

    @classmethod
    def of(
        cls, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes = b""
    ) -> "Ask":
        lines = [f"{method} {path} HTTP/1.1", "host: bench"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return cls("\r\n".join([*lines, "", ""]).encode() + body, status)


async def until_listening(port: int, *, limit_s: float = 60.0) -> None:
    deadline = time.perf_counter() + limit_s
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.perf_counter() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def requests_per_second(port: int, asks: Sequence[Ask], *, connections: int) -> float:
    """Send all of them, each connection its share one after the other.

    Raises:
        AssertionError: an answer has another status.
    """
    started = time.perf_counter()
    shares = (asks[first::connections] for first in range(connections))
    await asyncio.gather(*(_send(port, share) for share in shares))
    return len(asks) / (time.perf_counter() - started)


async def _send(port: int, asks: Sequence[Ask]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for ask in asks:
        writer.write(ask.content)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        if int(head[9:12]) != ask.status:
            raise AssertionError(f"{head.decode()}{body.decode()}")
    writer.close()


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
