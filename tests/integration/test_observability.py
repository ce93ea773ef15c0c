"""One trace per request, metrics that move, health that watches progress."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from deploy.local.process import PORTS, is_free
from shared import tracing
from shared.messaging.batch import BatchProcessor
from shared.monitoring import STUCK_S, Monitor
from tests.builders import PLANS, customer
from tests.servers import TestServers
from tests.system import System, eventually


@pytest.fixture(scope="module")
async def watched(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """A system whose billing worker answers questions about itself."""
    folder: Path = tmp_path_factory.mktemp("documents")
    system = System(servers, databases, folder)
    port = next(port for port in reversed(PORTS) if is_free(port))
    system.environment["KONTOR_BILLING_MONITORING_PORT"] = str(port)
    async with system:
        yield system


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tracing.enabled.cache_clear()
    return exporter


async def _booked(system: System, request_id: str = "") -> dict[str, Any]:
    await system.seeded()
    made = await system.post("/customers", customer())
    await system.known(made["id"])
    body = {"action": "make_invoice", "plan_id": PLANS["Team"], "cycle": "monthly"}
    headers = {"x-request-id": request_id} if request_id else None
    answer = await system.api.post(
        f"/customers/{made['id']}/plan-actions", json=body, headers=headers
    )
    booked = answer.raise_for_status().json()
    return await system.invoice_of(booked["request_id"])


def _in_trace(exporter: InMemorySpanExporter, root: str) -> list[ReadableSpan]:
    """The spans of the newest trace whose first span has this name."""
    finished = exporter.get_finished_spans()
    found = [s for s in finished if s.name == root and s.parent is None]
    if not found or found[-1].context is None:
        return []
    trace_id = found[-1].context.trace_id
    return [s for s in finished if s.context is not None and s.context.trace_id == trace_id]


async def test_booking_to_mail_is_one_trace_and_payment_to_activation_another(
    watched: System, spans: InMemorySpanExporter
) -> None:
    invoice = await _booked(watched, request_id="booking-42")

    async def mailed() -> set[str] | None:
        names = {s.name for s in _in_trace(spans, "POST /v1/customers/{customer_id}/plan-actions")}
        return names if "send mail" in names else None

    names = await eventually(mailed, "the mail's span")
    assert names >= {
        "handle invoice.requested",
        "handle invoice.opened",
        "draw document",
        "handle invoice.document_stored",
        "send mail",
    }

    async def told() -> list[bytes] | None:
        records = await watched.read_topic("notifier.deliveries.v1")
        mine = [r for r in records if invoice["id"].encode() in (r.value or b"")]
        return [dict(record.headers)["ce_correlationid"] for record in mine] or None

    assert await eventually(told, "email.sent") == [b"booking-42"]

    await watched.post(f"/invoices/{invoice['id']}/payments", {"amount": invoice["total"]})

    async def activated() -> list[ReadableSpan] | None:
        found = _in_trace(spans, "POST /v1/invoices/{invoice_id}/payments")
        return found if any(s.name == "handle invoice.paid" for s in found) else None

    payment, *_ = sorted(
        await eventually(activated, "the activation's span"), key=lambda s: s.start_time or 0
    )
    assert payment.kind is trace.SpanKind.SERVER
    assert (payment.attributes or {})["http.response.status_code"] == 201


async def test_metrics_count_requests_events_and_lag(watched: System) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    route = "/v1/customers/{customer_id}/plan-actions"
    answered = {"service": "subscriptions", "method": "POST", "route": route, "status": "201"}
    handled = {
        "consumer": "billing.subscriptions.invoice-requests.v1",
        "type": "invoice.requested",
        "outcome": "handled",
    }
    before = (
        value("kontor_http_requests_total", **answered),
        value("kontor_events_total", **handled),
    )
    await _booked(watched)
    assert value("kontor_http_requests_total", **answered) == before[0] + 1
    assert value("kontor_events_total", **handled) == before[1] + 1
    port = watched.environment["KONTOR_BILLING_MONITORING_PORT"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def sampled() -> str | None:
            text = (await client.get("/metrics")).text
            return text if "kontor_outbox_oldest_seconds" in text else None

        text = await eventually(sampled, "the first sample")
        health = await client.get("/health")
    assert health.status_code == 200, health.text
    for name in ("kontor_consumer_lag", "kontor_due_work", "kontor_parked_messages"):
        assert name in text


async def test_a_consumer_without_progress_is_not_healthy(watched: System) -> None:
    worker = watched.workers["billing"]
    stuck: BatchProcessor = worker.processors()[0]
    monitor = Monitor(worker, [(stuck, None)])
    assert monitor.problems() == []
    stuck.progressed_at = time.monotonic() - STUCK_S - 1
    assert monitor.problems() == []  # nothing to do is not being stuck
    stuck.lag = 3
    assert [problem.split(":")[0] for problem in monitor.problems()] == [stuck.name]
