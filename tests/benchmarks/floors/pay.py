"""Floor of the way from a payment to the topic: a bare API and a loop that sends.

Writes the same rows as the product: payment, invoice, one outbox row, which the second half of
this program sends. No models, no rules, no retries. Arguments: database, bootstrap, topic prefix,
port.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request

from tests.benchmarks.floors.activate import drain

_READ = (
    "SELECT i.*, l.subscription_id, l.request_id AS line_request_id, l.title AS line_title "
    "FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id WHERE i.id = $1 FOR UPDATE OF i"
)
_PAY = (
    "INSERT INTO payments (id, invoice_id, customer_id, amount_minor, method, reference, "
    "received_on, recorded_at, recorded_by) VALUES ($1, $2, $3, $4, 'bank', '', $5, $6, 'floor')"
)
_SETTLE = (
    "UPDATE invoices SET state = 'paid', version = version + 1, paid_minor = total_minor, "
    "settlement = 1, paid_at = $2 WHERE id = $1"
)
_PUBLISH = (
    "INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, headers, shard) "
    "VALUES ($1, 'billing.invoices.v1', $2, 'invoice.paid', $3, $4, 0)"
)


async def settle(connection: Any, invoice_id: uuid.UUID) -> dict[str, Any]:
    now = datetime.now(UTC)
    async with connection.transaction():
        row = await connection.fetchrow(_READ, invoice_id)
        payment_id, event_id = uuid.uuid4(), uuid.uuid4()
        customer_id, total = str(row["customer_id"]), f"{row['total_minor'] / 100:.2f}"
        await connection.execute(
            _PAY, payment_id, invoice_id, row["customer_id"], row["total_minor"],
            date(2026, 1, 1), now,
        )  # fmt: skip
        await connection.execute(_SETTLE, invoice_id, now)
        body = {
            "customer_id": customer_id,
            "invoice_id": str(invoice_id),
            "version": row["version"] + 1,
            "number": row["number"],
            "lines": [
                {
                    "position": 1,
                    "title": row["line_title"],
                    "subscription_id": str(row["subscription_id"]),
                    "request_id": str(row["line_request_id"]),
                }
            ],
            "settlement": 1,
            "paid_at": now.isoformat(),
            "total": {"amount": total, "currency": "CHF"},
        }
        headers = {"ce_specversion": "1.0", "ce_id": str(event_id), "ce_type": "invoice.paid"}
        await connection.execute(
            _PUBLISH, event_id, customer_id, json.dumps(body).encode(), json.dumps(headers)
        )
    return {"payment": {"id": str(payment_id)}, "invoice": body}


def build(database: str, bootstrap: str, prefix: str) -> FastAPI:
    written = asyncio.Event()

    async def relay() -> None:
        connection = await asyncpg.connect(database)
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=2
        )
        async with producer:
            while True:
                await written.wait()
                written.clear()
                while await drain(connection, producer, prefix):
                    pass

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(database, min_size=5, max_size=10)
        relaying = asyncio.create_task(relay())
        yield
        relaying.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/billing/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/invoices/{invoice_id}/payments", status_code=201)
    async def pay(invoice_id: uuid.UUID, request: Request) -> dict[str, Any]:
        await request.json()
        async with app.state.pool.acquire() as connection:
            answer = await settle(connection, invoice_id)
        written.set()
        return answer

    return app


if __name__ == "__main__":
    *_settings, _port = sys.argv[1:]
    uvicorn.run(build(*_settings), host="127.0.0.1", port=int(_port), log_level="warning")
