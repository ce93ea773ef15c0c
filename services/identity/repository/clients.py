"""API clients and signing keys."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text

from services.identity import tables as t
from services.identity.domain.rotation import ListedKey
from shared.database import Tx, insert_rows, update_rows
from shared.paging import fetch_page

__all__ = [
    "add_client",
    "add_key",
    "delete_keys",
    "get_client",
    "get_keys",
    "list_clients",
    "lock_client",
    "lock_keys",
    "save_client",
    "save_ends",
]


async def get_client(tx: Tx, client_id: UUID) -> Any:
    query = select(t.clients).where(t.clients.c.id == client_id)
    return (await tx.execute(query)).one_or_none()


async def lock_client(tx: Tx, client_id: UUID) -> Any:
    query = select(t.clients).where(t.clients.c.id == client_id).with_for_update()
    return (await tx.execute(query)).one_or_none()


async def list_clients(
    tx: Tx, *, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.clients.c.created_at, t.clients.c.id)
    return await fetch_page(tx, select(t.clients), columns, after, limit)


async def add_client(tx: Tx, row: dict[str, Any]) -> None:
    await insert_rows(tx, t.clients, [row])


async def save_client(tx: Tx, client_id: UUID, **values: Any) -> None:
    await update_rows(tx, t.clients, [{"id": client_id, **values}])


async def lock_keys(tx: Tx) -> None:
    """Only one process makes a key at a time."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('kontor signing keys'))"))


async def get_keys(tx: Tx) -> dict[str, Any]:
    return {row.kid: row for row in await tx.execute(select(t.signing_keys))}


async def add_key(tx: Tx, row: dict[str, Any]) -> None:
    await insert_rows(tx, t.signing_keys, [row])


async def save_ends(tx: Tx, keys: Iterable[ListedKey]) -> None:
    rows = [{"kid": key.kid, "listed_until": key.listed_until} for key in keys]
    await update_rows(tx, t.signing_keys, rows, key=("kid",))


async def delete_keys(tx: Tx, *, unlisted_since: datetime) -> int:
    gone = delete(t.signing_keys).where(t.signing_keys.c.listed_until <= unlisted_since)
    return (await tx.execute(gone)).rowcount
