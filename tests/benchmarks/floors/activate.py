"""Floor of `paid_to_active_throughput`: consume, one transaction per 500, drain, produce.

Writes the same rows as the product: inbox, subscription, offer, period, history, entitlements,
two outbox rows per payment, which the second half of this program sends. No models, no rules, no
retries. Arguments: database, bootstrap, topic prefix.
"""

import asyncio
import json
import sys
import uuid
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

_BATCH = 500
_SQL = """
WITH e AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[])
  AS t (event_id, customer_id, subscription_id, request_id, invoice_id)
), fresh AS (
  INSERT INTO inbox (consumer, event_id, seen_at) SELECT 'floor', event_id, $6 FROM e
  ON CONFLICT DO NOTHING RETURNING event_id
), offer AS (
  UPDATE offers o SET state = 'settled', invoice_id = e.invoice_id
  FROM e JOIN fresh USING (event_id)
  WHERE o.request_id = e.request_id AND o.subscription_id = e.subscription_id AND o.state = 'open'
  RETURNING o.subscription_id, o.customer_id, o.product_id, o.cycle, o.price_id, e.invoice_id
), active AS (
  UPDATE subscriptions s SET state = 'active', version = s.version + 1, term = 1,
    origin = 'invoice', cycle = offer.cycle, price_id = offer.price_id, period_start = $7,
    period_end = $8, anchor_day = $9, updated_at = $6
  FROM offer WHERE s.id = offer.subscription_id AND s.state = 'pending'
  RETURNING s.id, s.customer_id, s.product_id, s.version, offer.invoice_id
), period AS (
  INSERT INTO periods (subscription_id, term, period_start, period_end, outcome, invoice_id, worth)
  SELECT id, 1, $7, $8, 'billed', invoice_id, '[]' FROM active
), history AS (
  INSERT INTO subscription_history
    (subscription_id, version, at, actor, reason, event, before, after)
  SELECT id, version, $6, 'floor', '', 'subscription.activated',
    jsonb_build_object('state', 'pending', 'product_id', product_id, 'term', 0),
    jsonb_build_object('state', 'active', 'product_id', product_id, 'term', 1,
      'period', jsonb_build_object('start', $7::date, 'end', $8::date))
  FROM active
), entitled AS (
  INSERT INTO entitlements SELECT customer_id, 1, jsonb_build_object('plan', product_id)
  FROM active ON CONFLICT (customer_id) DO UPDATE SET version = entitlements.version + 1
)
SELECT id, customer_id, product_id, invoice_id FROM active
"""
_OUTBOX = """
INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, headers, shard)
SELECT a, b, c, d, e, f::jsonb, 0 FROM unnest(
  $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[]) AS t (a, b, c, d, e, f)
"""
_TAKE = (
    "DELETE FROM outbox WHERE id = ANY(ARRAY(SELECT id FROM outbox ORDER BY id LIMIT 1000)) "
    "RETURNING id, aggregatetype, aggregateid, payload, headers"
)


async def handle(connection: Any, records: list[ConsumerRecord[bytes, bytes]]) -> None:
    events = [json.loads(record.value or b"") for record in records]
    lines = [event["lines"][0] for event in events]
    now, start = datetime.now(UTC), date(2026, 1, 1)
    async with connection.transaction():
        rows = await connection.fetch(
            _SQL,
            [dict(record.headers)["ce_id"].decode() for record in records],
            [event["customer_id"] for event in events],
            [line["subscription_id"] for line in lines],
            [line["request_id"] for line in lines],
            [event["invoice_id"] for event in events],
            now,
            start,
            date(2026, 2, 1),
            1,
        )
        out = []
        for row in rows:
            customer_id = str(row["customer_id"])
            body = {
                "customer_id": customer_id,
                "subscription_id": str(row["id"]),
                "version": 2,
                "product": {"kind": "plan", "id": str(row["product_id"]), "name": "Team"},
                "term": 1,
                "origin": "invoice",
                "period": {"start": "2026-01-01", "end": "2026-02-01"},
                "invoice_id": str(row["invoice_id"]),
            }
            for topic, kind in (
                ("subscriptions.subscriptions.v1", "subscription.activated"),
                ("subscriptions.entitlements.v1", "entitlements.changed"),
            ):
                event_id = uuid.uuid4()
                headers = {
                    "ce_specversion": "1.0",
                    "ce_id": str(event_id),
                    "ce_type": kind,
                    "ce_source": "floor",
                    "ce_time": now.isoformat(),
                    "ce_subject": str(row["id"]),
                    "ce_sequence": "2",
                    "content-type": "application/json",
                }
                payload = json.dumps(body).encode()
                out.append((event_id, topic, customer_id, kind, payload, json.dumps(headers)))
        if out:
            await connection.execute(_OUTBOX, *map(list, zip(*out, strict=True)))


async def drain(connection: Any, producer: AIOKafkaProducer, prefix: str) -> int:
    async with connection.transaction():
        rows = sorted(await connection.fetch(_TAKE), key=lambda row: row["id"])
        acknowledged = [
            await producer.send(
                prefix + row["aggregatetype"],
                row["payload"],
                key=row["aggregateid"].encode(),
                headers=[(k, v.encode()) for k, v in json.loads(row["headers"]).items()],
            )
            for row in rows
        ]
        await asyncio.gather(*acknowledged)
    return len(rows)


async def main(database: str, bootstrap: str, prefix: str) -> None:
    work, send = await asyncpg.connect(database), await asyncpg.connect(database)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        compression_type="lz4",
        max_batch_size=256 * 1024,
    )
    consumer = AIOKafkaConsumer(
        f"{prefix}billing.invoices.v1",
        bootstrap_servers=bootstrap,
        group_id=f"{prefix}floor",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    written = asyncio.Event()

    async def relay() -> None:
        while True:
            await written.wait()
            written.clear()
            while await drain(send, producer, prefix):
                pass

    async with producer, consumer:
        relaying = asyncio.create_task(relay())
        while not relaying.done():
            batch = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
            records = [record for records in batch.values() for record in records]
            if records:
                await handle(work, records)
                written.set()
                await consumer.commit()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
