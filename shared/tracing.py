"""One trace per request, across processes: HTTP call, outbox, Kafka, PDF, mail.

The span context travels as the header `traceparent` of events and in a column of due work. Spans
are recorded when `OTEL_EXPORTER_OTLP_ENDPOINT` says where to send them; otherwise none is made.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.correlation import Correlation, correlated, correlation

__all__ = ["SpanKind", "continued", "enabled", "setup_tracing", "span", "spans"]

_propagator = TraceContextTextMapPropagator()


def setup_tracing(service: str) -> None:
    """Send spans to a collector, if the environment names one (OpenTelemetry's variables)."""
    if not any(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT" in os.environ for which in ("", "TRACES_")):
        return
    # Slow to import, and seldom needed.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"kontor-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    enabled.cache_clear()


@lru_cache(maxsize=1)
def enabled() -> bool:
    """Tell whether spans are recorded; asked once, for it is asked at every request."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def span(
    name: str,
    parent: Correlation | None,
    kind: SpanKind = SpanKind.INTERNAL,
    **attributes: str,
) -> Iterator[tuple[Span | None, Correlation | None]]:
    """A span below `parent`, and the correlation for what happens inside it."""
    if not enabled():
        yield None, parent
        return
    above = (
        _propagator.extract({"traceparent": parent.traceparent})
        if parent and parent.traceparent
        else Context()
    )
    made = trace.get_tracer("kontor").start_span(
        name, context=above, kind=kind, attributes=attributes
    )
    try:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(made))
        yield made, Correlation(parent.request_id if parent else "", carrier.get("traceparent"))
    except BaseException as error:
        made.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        made.end()


@contextmanager
def spans(
    name: str, parents: Sequence[tuple[str, Correlation | None]], kind: SpanKind
) -> Iterator[dict[str, Correlation]]:
    """A span per message of a group: (key, correlation) -> the correlation inside, by key."""
    if not enabled():  # the usual case, on the hottest path
        yield {key: parent for key, parent in parents if parent}
        return
    with ExitStack() as stack:
        inside = {key: stack.enter_context(span(name, parent, kind))[1] for key, parent in parents}
        yield {key: found for key, found in inside.items() if found}


@contextmanager
def continued(name: str, stored: dict[str, str | None] | None) -> Iterator[None]:
    """Go on, in a span of its own, with the request that due work was stored for."""
    parent = Correlation(**stored) if stored else correlation()  # type: ignore[arg-type]
    with span(name, parent) as (_, inside):
        if inside is None:
            yield
        else:
            with correlated(inside.request_id, inside.traceparent):
                yield
