"""Which request a piece of work belongs to, from the HTTP call over every event to the mail.

A batch works on many requests at once, but a wave of it holds at most one message per key, so
the key tells which request an outgoing event belongs to.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["correlated", "correlation_id", "wave_correlations"]

_request: ContextVar[str | None] = ContextVar("request", default=None)
_wave: ContextVar[Mapping[str, str]] = ContextVar("wave", default={})  # noqa: B039 - never mutated


def correlation_id(key: str | None = None) -> str | None:
    """The id of the request at hand, or of the message with this key in the wave at hand."""
    return _wave.get().get(key or "") or _request.get()


@contextmanager
def correlated(request_id: str) -> Iterator[None]:
    token = _request.set(request_id)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def wave_correlations(by_key: Mapping[str, str]) -> Iterator[None]:
    token = _wave.set(by_key)
    try:
        yield
    finally:
        _wave.reset(token)
