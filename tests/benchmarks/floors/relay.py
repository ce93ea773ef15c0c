"""Floor of `relay`: select, send, delete in a loop on one connection.

Arguments: database, bootstrap, topic prefix.
"""

import asyncio
import json
import sys

import asyncpg
from aiokafka import AIOKafkaProducer

_READ = "SELECT id, aggregatetype, aggregateid, payload, headers FROM outbox ORDER BY id LIMIT 1000"


async def main(database: str, bootstrap: str, prefix: str) -> None:
    connection = await asyncpg.connect(database)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        compression_type="lz4",
        max_batch_size=256 * 1024,
    )
    async with producer:
        while True:
            async with connection.transaction():
                rows = await connection.fetch(_READ)
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
                await connection.execute(
                    "DELETE FROM outbox WHERE id = ANY($1)", [row["id"] for row in rows]
                )
            if not rows:
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
