"""Alembic's environment, shared by all services."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

import shared.audit
import shared.idempotency  # noqa: F401 - their tables belong to the same metadata
from shared.messaging.tables import metadata as messaging

_LOCK = 0x6B6F6E74  # two migrations at once wait for each other


def _run(connection: Connection, metadata: Any) -> None:
    context.configure(
        connection=connection, target_metadata=[metadata, messaging], compare_server_default=True
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


async def _online() -> None:
    attributes = context.config.attributes
    url = attributes["database_url"].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run, attributes["metadata"])
        await connection.commit()
    await engine.dispose()


asyncio.run(_online())
