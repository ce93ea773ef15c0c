"""What Prometheus is told. Labels are bounded: routes, event types and consumers, never ids."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

__all__ = [
    "BATCH_SECONDS",
    "CONSUMER_LAG",
    "DEAD_LETTERS",
    "DUE_WORK",
    "DUE_WORK_AGE",
    "EVENTS",
    "OUTBOX_AGE",
    "PARKED",
    "PARKED_AGE",
    "POOL_IN_USE",
    "RELAYED",
    "exposition",
    "observe_request",
]

_FAST = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

_REQUESTS = Counter(
    "kontor_http_requests", "Answered requests", ["service", "method", "route", "status"]
)
_REQUEST_SECONDS = Histogram(
    "kontor_http_request_seconds", "Time to answer", ["service", "method", "route"], buckets=_FAST
)
EVENTS = Counter("kontor_events", "Settled messages", ["consumer", "type", "outcome"])
BATCH_SECONDS = Histogram(
    "kontor_batch_seconds", "Time to settle a batch", ["consumer"], buckets=_FAST
)
RELAYED = Counter("kontor_relayed_events", "Events acknowledged by Kafka", ["service"])
CONSUMER_LAG = Gauge("kontor_consumer_lag", "Records behind the end of the topic", ["consumer"])
OUTBOX_AGE = Gauge("kontor_outbox_oldest_seconds", "Age of the oldest unsent event", ["service"])
PARKED = Gauge("kontor_parked_messages", "Messages that wait", ["service", "consumer"])
PARKED_AGE = Gauge("kontor_parked_oldest_seconds", "Age of the oldest", ["service", "consumer"])
DEAD_LETTERS = Gauge("kontor_dead_letters", "Unresolved", ["service", "consumer"])
DUE_WORK = Gauge("kontor_due_work", "Rows due", ["service", "table"])
DUE_WORK_AGE = Gauge("kontor_due_work_oldest_seconds", "Longest overdue", ["service", "table"])
POOL_IN_USE = Gauge("kontor_database_connections_in_use", "Of the pool", ["service"])


@cache
def _request(service: str, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    labels = (service, method, route)
    return _REQUESTS.labels(*labels, str(status)), _REQUEST_SECONDS.labels(*labels)


def observe_request(service: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request; `route` is a template, never an address."""
    requests, times = _request(service, method, route, status)
    requests.inc()
    times.observe(seconds)


async def exposition(_: Request) -> Response:
    """All of it in the Prometheus text format."""
    return Response(generate_latest(), media_type="text/plain; version=0.0.4")
