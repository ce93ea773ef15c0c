"""The floor of `api_read` and `api_pay`: FastAPI and asyncpg by hand, nothing around them.

The same answers from the same rows, and the same rows written in one transaction; no token is
looked at, no rule decides, nothing is validated beyond what the statements need.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

_POOL = 10


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(sys.argv[1], min_size=_POOL, max_size=_POOL) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/v1/subscriptions/{subscription_id}")
async def get_subscription(subscription_id: UUID, request: Request) -> Response:
    row = await request.app.state.pool.fetchrow(
        "SELECT id, customer_id, kind, product_id, state, version, term, origin, cycle, "
        "period_start, period_end FROM subscriptions WHERE id = $1",
        subscription_id,
    )
    period = row["period_start"] and {
        "start": str(row["period_start"]),
        "end": str(row["period_end"]),
    }
    return JSONResponse(
        {
            "id": str(row["id"]),
            "customer_id": str(row["customer_id"]),
            "kind": row["kind"],
            "product_id": str(row["product_id"]),
            "state": row["state"],
            "version": row["version"],
            "term": row["term"],
            "origin": row["origin"],
            "cycle": row["cycle"],
            "period": period,
        }
    )


@app.get("/v1/customers/{customer_id}/entitlements")
async def get_entitlements(customer_id: UUID, request: Request) -> Response:
    row = await request.app.state.pool.fetchrow(
        "SELECT version, data FROM entitlements WHERE customer_id = $1", customer_id
    )
    return JSONResponse({"version": row["version"], **json.loads(row["data"])})


@app.post("/v1/invoices/{invoice_id}/payments", status_code=201)
async def pay(invoice_id: UUID, request: Request) -> Response:
    content = await request.body()
    body = json.loads(content)
    minor = round(float(body["amount"]["amount"]) * 100)
    key, now, payment_id = request.headers["idempotency-key"], datetime.now(UTC), uuid4()
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT 1 FROM customers WHERE id = (SELECT customer_id FROM invoices WHERE id = $1) "
            "FOR UPDATE",
            invoice_id,
        )
        invoice = await connection.fetchrow(
            "SELECT * FROM invoices WHERE id = $1 FOR UPDATE", invoice_id
        )
        lines = await connection.fetch(
            "SELECT * FROM invoice_lines WHERE invoice_id = $1 ORDER BY position", invoice_id
        )
        paid = invoice["paid_minor"] + minor
        await connection.execute(
            "INSERT INTO payments (id, invoice_id, customer_id, amount_minor, method, reference, "
            "received_on, recorded_at, recorded_by) VALUES ($1, $2, $3, $4, 'bank_transfer', $5, "
            "$6, $7, 'operator:test')",
            payment_id,
            invoice_id,
            invoice["customer_id"],
            minor,
            body["reference"],
            now.date(),
            now,
        )
        await connection.execute(
            "UPDATE invoices SET paid_minor = $2, version = version + 1 WHERE id = $1",
            invoice_id,
            paid,
        )
        await _tell(connection, invoice, paid, payment_id, now)
        answer = json.dumps(
            {
                "payment": _payment(payment_id, minor, body["reference"], now),
                "invoice": _invoice(invoice, paid, lines),
            }
        ).encode()
        asked = sha256(b"POST\0" + str(request.url.path).encode() + b"\0\0" + content).hexdigest()
        await connection.execute(
            "INSERT INTO idempotency_keys (client, key, fingerprint, status, headers, body, "
            "created_at) VALUES ('operator:test', $1, $2, 201, $3, $4, $5)",
            key,
            asked,
            json.dumps({"content-type": "application/json"}),
            answer,
            now,
        )
    return Response(answer, 201, media_type="application/json")


async def _tell(connection: Any, invoice: Any, paid: int, payment: UUID, now: datetime) -> None:
    """The rows of audit and outbox."""
    await connection.execute(
        "INSERT INTO audit (id, at, actor, action, target, target_id, customer_id, before, after, "
        "request_id) VALUES ($1, $2, 'operator:test', 'invoice.pay', 'invoice', $3, $4, $5, $6, "
        "$7)",
        uuid4(),
        now,
        str(invoice["id"]),
        invoice["customer_id"],
        json.dumps({"state": "open", "paid": _text(invoice["paid_minor"])}),
        json.dumps({"state": "open", "paid": _text(paid), "payment": str(payment)}),
        str(uuid4()),
    )
    event_id, key = uuid4(), str(invoice["customer_id"])
    payload = {
        "customer_id": key,
        "invoice_id": str(invoice["id"]),
        "version": invoice["version"] + 1,
        "number": invoice["number"],
        "paid": _money(paid),
        "open_amount": _money(invoice["total_minor"] - paid),
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": "invoice.partially_paid",
        "ce_source": "kontor/billing",
        "ce_time": now.isoformat(),
        "ce_subject": str(invoice["id"]),
        "content-type": "application/json",
        "ce_sequence": str(invoice["version"] + 1),
        "ce_correlationid": str(uuid4()),
    }
    await connection.execute(
        "INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, headers, shard) "
        "VALUES ($1, 'billing.invoices.v1', $2, 'invoice.partially_paid', $3, $4, $5)",
        event_id,
        key,
        json.dumps(payload).encode(),
        json.dumps(headers),
        crc32(key.encode()) % 4,
    )


def _text(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def _money(minor: int) -> dict[str, str]:
    return {"amount": _text(minor), "currency": "CHF"}


def _payment(payment_id: UUID, minor: int, reference: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(payment_id),
        "amount": _money(minor),
        "method": "bank_transfer",
        "reference": reference,
        "received_on": str(now.date()),
        "recorded_at": now.isoformat(),
        "recorded_by": "operator:test",
    }


def _invoice(row: Any, paid: int, lines: Any) -> dict[str, Any]:
    vat = json.loads(row["vat"])
    return {
        "id": str(row["id"]),
        "customer_id": str(row["customer_id"]),
        "request_id": str(row["request_id"]),
        "number": row["number"],
        "state": row["state"],
        "version": row["version"] + 1,
        "title": row["title"],
        "currency": row["currency"],
        "language": row["language"],
        "invoice_date": str(row["invoice_date"]),
        "due_date": str(row["due_date"]),
        "tax_treatment": row["tax_treatment"],
        "subtotal": _money(row["subtotal_minor"]),
        "vat": [
            {
                "percent": each["percent"],
                "basis": each["basis"],
                "net": _money(each["net_minor"]),
                "vat": _money(each["vat_minor"]),
                "gross": _money(each["gross_minor"]),
            }
            for each in vat
        ],
        "rounding": _money(row["rounding_minor"]),
        "total": _money(row["total_minor"]),
        "paid": _money(paid),
        "open_amount": _money(row["total_minor"] - paid),
        "lines": [_line(line) for line in lines],
        "opened_at": row["opened_at"].isoformat(),
        "paid_at": None,
        "voided_at": None,
    }


def _line(row: Any) -> dict[str, Any]:
    return {
        "position": row["position"],
        "title": row["title"],
        "description": row["description"],
        "explanation": row["explanation"],
        "quantity": str(row["quantity"]),
        "unit": row["unit"],
        "unit_price": str(row["unit_price"]),
        "basis": row["basis"],
        "discount_percent": str(row["discount_percent"]),
        "vat_percent": str(row["vat_percent"]),
        "total": _money(row["total_minor"]),
        "subscription_id": str(row["subscription_id"]),
        "request_id": str(row["request_id"]),
        "period": None,
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
