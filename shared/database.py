"""The way to PostgreSQL: engine, transactions, and statements for many rows at once.

Code below the edge gets an open transaction (`tx`) and never commits. Rows travel as `unnest`
arrays: one statement however many rows, twice as fast as `executemany`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    MetaData,
    Select,
    Table,
    TextClause,
    any_,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

__all__ = [
    "Seen",
    "Tx",
    "among",
    "create_engine",
    "insert_rows",
    "is_transient",
    "new_metadata",
    "only_seen",
    "serialization_failed",
    "update_rows",
]

Tx = AsyncConnection
Seen = frozenset[UUID] | None
"""The customers that exist for a caller; None: all of them."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
# SQLSTATE classes that pass by themselves: connection, transaction rollback, resources,
# operator intervention; 55P03 is a lock that was not available in time.
_TRANSIENT_CLASSES = ("08", "40", "53", "57")


def new_metadata() -> MetaData:
    """Metadata whose constraints have predictable names, so that migrations can address them."""
    return MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def create_engine(url: str, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # they are personal data, and errors end up in logs
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": "kontor",
                # A process that hangs with a lock held must not hold up the others for ever.
                "idle_in_transaction_session_timeout": "60000",
            },
        },
    )


_Query = TypeVar("_Query", bound=Select[Any])


def only_seen(query: _Query, customer_id: Column[Any], seen: Seen) -> _Query:
    """Leave out rows of customers that do not exist for the caller."""
    return query if seen is None else query.where(customer_id.in_(list(seen)))


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed when tried again without any change."""
    if isinstance(error, DBAPIError):
        state = _sqlstate(error)
        return error.connection_invalidated or state[:2] in _TRANSIENT_CLASSES or state == "55P03"
    return isinstance(error, (OSError, TimeoutError, PoolTimeoutError))


def serialization_failed(error: BaseException) -> bool:
    """Tell whether PostgreSQL rolled the transaction back for a deadlock or a race (class 40)."""
    return _sqlstate(error).startswith("40")


def among(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Tell rows whose column has one of these values: one array, not a parameter per value."""
    return column == any_(literal(list(values), postgresql.ARRAY(column.type)))


def _array(column: Column[Any]) -> str:
    return f"CAST(:{column.name} AS {column.type.compile(dialect=_DIALECT)}[])"


@lru_cache(maxsize=256)
def _insert_sql(table: Table, names: tuple[str, ...], on_conflict: str) -> TextClause:
    columns = ", ".join(names)
    arrays = ", ".join(_array(table.c[name]) for name in names)
    return text(
        f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608 - names come from Table objects, never from input
    )


@lru_cache(maxsize=256)
def _update_sql(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    arrays = ", ".join(_array(table.c[name]) for name in names)
    changes = ", ".join(f"{name} = v.{name}" for name in names if name not in key)
    match = " AND ".join(f"t.{name} = v.{name}" for name in key)
    return text(
        f"UPDATE {table.name} AS t SET {changes} "  # noqa: S608 - as above
        f"FROM unnest({arrays}) AS v ({', '.join(names)}) WHERE {match}"
    )


def _columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(table.c[name].type, JSON):
            values = [None if value is None else json.dumps(value) for value in values]
        columns[name] = values
    return columns


async def insert_rows(
    tx: Tx, table: Table, rows: Iterable[Mapping[str, Any]], *, on_conflict: str = ""
) -> int:
    """Insert any number of rows in one statement; returns how many were inserted.

    All rows must have the same keys, which are column names of `table`. `on_conflict` is a
    complete clause, such as `ON CONFLICT DO NOTHING`.
    """
    rows = list(rows)
    if not rows:
        return 0
    statement = _insert_sql(table, tuple(rows[0]), on_conflict)
    return (await tx.execute(statement, _columns(table, rows))).rowcount


async def update_rows(
    tx: Tx, table: Table, rows: Iterable[Mapping[str, Any]], *, key: tuple[str, ...] = ("id",)
) -> int:
    """Update any number of rows by key in one statement; returns how many were updated.

    At most one row per key: with two, PostgreSQL would take either of them.
    """
    rows = list(rows)
    if not rows:
        return 0
    statement = _update_sql(table, tuple(rows[0]), key)
    return (await tx.execute(statement, _columns(table, rows))).rowcount
