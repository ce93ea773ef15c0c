"""Which request a piece of work belongs to, from the HTTP call over every event to the mail.

A batch works on many requests at once, but a wave of it holds at most one message per key, so
the key tells which request an outgoing event belongs to.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["Correlation", "correlated", "correlation", "wave_correlations"]


@dataclass(frozen=True, slots=True)
class Correlation:
    """`traceparent`: the span that later ones hang below (W3C Trace Context)."""

    request_id: str
    traceparent: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self | None:
        request_id = headers.get("ce_correlationid")
        return cls(request_id, headers.get("traceparent")) if request_id else None

    def headers(self) -> dict[str, str]:
        found = {"ce_correlationid": self.request_id}
        return found | {"traceparent": self.traceparent} if self.traceparent else found

    def to_dict(self) -> dict[str, str | None]:
        return asdict(self)


_request: ContextVar[Correlation | None] = ContextVar("request", default=None)
_wave: ContextVar[Mapping[str, Correlation]] = ContextVar("wave", default={})  # noqa: B039 - never mutated


def correlation(key: str | None = None) -> Correlation | None:
    """The request at hand, or that of the message with this key in the wave at hand."""
    return _wave.get().get(key or "") or _request.get()


@contextmanager
def correlated(request_id: str, traceparent: str | None = None) -> Iterator[None]:
    token = _request.set(Correlation(request_id, traceparent))
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def wave_correlations(by_key: Mapping[str, Correlation]) -> Iterator[None]:
    token = _wave.set(by_key)
    try:
        yield
    finally:
        _wave.reset(token)
