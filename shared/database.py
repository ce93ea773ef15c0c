"""The way to PostgreSQL: transactions, and statements for many rows at once.

Code below the edge gets an open transaction (`tx`) and never commits. Statements are built with
SQLAlchemy where they vary. Those on the way of every request and every event are written out and
go to the driver as they are, which takes a third of the processor time. Rows to insert and to
update travel as `unnest` arrays, and gather: those of several tables go in one statement, when
something is read or at the commit.
"""

import json
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    MetaData,
    Select,
    Table,
    any_,
    event,
    literal,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import greenlet_spawn

__all__ = [
    "Database",
    "RolledBack",
    "Seen",
    "Tx",
    "among",
    "insert_new",
    "insert_rows",
    "new_metadata",
    "only_seen",
    "update_rows",
]

Seen = frozenset[UUID] | None
"""The customers that exist for a caller; None: all of them.

As a value of SQL: `($2::uuid[] IS NULL OR customer_id = ANY($2))`.
"""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_ANSWER_LIMIT_S = 10.0


class Row(asyncpg.Record):
    """A row of the driver; its columns are attributes, as SQLAlchemy's are."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class RolledBack(Exception):
    """Raised in the block of a transaction or an attempt: undoes it, and goes on behind it."""


@dataclass(frozen=True, slots=True)
class _Write:
    """Rows for a table: an insert with its `tail`, or, with a `key`, an update."""

    table: Table
    names: tuple[str, ...]
    tail: str = ""
    key: tuple[str, ...] = ()

    def sql(self, first: int) -> str:
        """The statement, whose values begin at `$first`."""
        columns, name = ", ".join(self.names), self.table.name
        kinds = {n: self.table.c[n].type for n in self.names}
        # An array of arrays would be unnested to the bottom: inner ones travel as text.
        sent = {n: "text" if isinstance(k, ARRAY) else _sql_type(k) for n, k in kinds.items()}
        rows = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(sent.values(), first))
        # Names come from Table objects, never from input.
        if not self.key:
            taken = ", ".join(
                f"v.{n}::{_sql_type(k)}" if isinstance(k, ARRAY) else f"v.{n}"
                for n, k in kinds.items()
            )
            return (
                f"INSERT INTO {name} ({columns}) "  # noqa: S608
                f"SELECT {taken} FROM unnest({rows}) AS v ({columns}) {self.tail}"
            )
        changes = ", ".join(f"{n} = v.{n}" for n in self.names if n not in self.key)
        match = " AND ".join(f"t.{n} = v.{n}" for n in self.key)
        return (
            f"UPDATE {name} AS t SET {changes} FROM unnest({rows}) AS v ({columns}) WHERE {match}"  # noqa: S608
        )


def _sql_type(kind: TypeEngine[Any]) -> str:
    return kind.compile(dialect=_DIALECT)


@lru_cache(maxsize=512)
def _sql(writes: tuple[_Write, ...]) -> str:
    """One statement for all; none sees what another writes, and foreign keys are checked last."""
    parts, first = [], 1
    for write in writes:
        parts.append(write.sql(first))
        first += len(write.names)
    *before, last = parts
    named = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(before))
    return f"WITH {named} {last}" if before else last


class Tx:
    """An open transaction, or, from `Database.reading`, a connection without one."""

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection) -> None:
        self._engine = engine
        self._pooled = pooled
        self._driver: Any = pooled.driver_connection
        self._depth = 0
        self._writes: list[_Write] = []
        self._values: list[list[Any]] = []

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A transaction of its own, or, inside one, a savepoint."""
        await self.flush()
        own = self._driver.transaction()
        self._depth += 1
        try:
            await own.start()
            yield
            await self.flush()
        except BaseException as error:
            self._writes, self._values = [], []
            with suppress(Exception):  # it must not hide why there is nothing to keep
                await self._end(own.rollback())
            if not isinstance(error, RolledBack):
                raise
        else:
            await self._end(own.commit())
        finally:
            self._depth -= 1

    async def _end(self, ending: Awaitable[None]) -> None:
        try:
            await ending
        except BaseException:
            # Nobody knows how it ended. Used again, the next transaction would be a part of it,
            # and what that commits would not be kept.
            self._driver.terminate()
            raise

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, or nobody knows what it is in."""
        closed: bool = self._driver.is_closed()
        return closed

    @cached_property
    def _core(self) -> AsyncConnection:
        # Most requests go to the driver alone, and making it costs as much as a statement.
        engine = self._engine.sync_engine
        return AsyncConnection(self._engine, Connection(engine, self._pooled))

    async def execute(self, statement: Any, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement of SQLAlchemy."""
        await self.flush()
        return await self._core.execute(statement, values)

    async def scalar(self, statement: Any, values: Any = None) -> Any:
        """Run a statement of SQLAlchemy; returns the first column of the first row, or None."""
        await self.flush()
        return await self._core.scalar(statement, values)

    async def fetch(self, sql: str, *values: Any) -> Sequence[Row]:
        """Run SQL with `$1`, `$2`, ... for the values; returns its rows."""
        await self.flush()
        rows: Sequence[Row] = await self._driver.fetch(sql, *values)
        return rows

    async def run(self, sql: str, *values: Any) -> int:
        """Run SQL with `$1`, `$2`, ... for the values; returns how many rows it changed."""
        await self.flush()
        status: str = await self._driver.execute(sql, *values)
        return int(status.rpartition(" ")[2])

    async def write(self, write: _Write, values: Iterable[list[Any]]) -> None:
        """Keep it for the next statement, or for the commit."""
        if any(write.table is waiting.table for waiting in self._writes):
            await self.flush()  # it may be about the same rows
        self._writes.append(write)
        self._values += values
        if not self._depth:
            await self.flush()

    async def flush(self) -> None:
        """Send what waits to be written; what is wrong with it comes up here."""
        if self._writes:
            sql, values = _sql(tuple(self._writes)), self._values
            self._writes, self._values = [], []
            await self._driver.execute(sql, *values)


class _Connecting:
    """A connection that is begun when it is awaited, and not before."""

    def __init__(self, *where: Any, **options: Any) -> None:
        self._begin = partial(asyncpg.connect, *where, **options)

    def __await__(self) -> Generator[Any, None, asyncpg.Connection]:
        return self._begin().__await__()


class Database:
    """A pool of connections to the database of one service."""

    def __init__(self, url: str, pool_size: int) -> None:
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            isolation_level="AUTOCOMMIT",  # transactions are the driver's, begun below
            json_deserializer=lambda value: value,  # the driver has done so
            hide_parameters=True,  # they are personal data, and errors end up in logs
            connect_args={
                "async_creator_fn": _Connecting,
                "timeout": 5,
                "command_timeout": _ANSWER_LIMIT_S,
                "record_class": Row,
                "server_settings": {
                    "application_name": "kontor",
                    # A process that hangs with a lock held must not hold up the others for ever.
                    "idle_in_transaction_session_timeout": "60000",
                },
            },
        )
        event.listen(self._engine.sync_engine, "connect", _decode_json)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A connection on which each statement is a transaction of its own."""
        borrow = self._engine.sync_engine.raw_connection
        try:
            pooled = borrow()  # one that is idle is there at once
        except MissingGreenlet:  # it has to be waited for
            pooled = await greenlet_spawn(borrow)
        tx = Tx(self._engine, pooled)
        try:
            yield tx
        finally:
            if tx.lost and pooled.is_valid:  # SQLAlchemy may have found out first
                pooled.invalidate()  # the pool must not hand it out again
            pooled.close()  # asks nothing of the server: the transaction was not SQLAlchemy's

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction: committed at the end of the block, rolled back when that raises."""
        async with self.reading() as tx, tx.attempt():
            yield tx

    @property
    def connections_in_use(self) -> int:
        in_use: int = self._engine.pool.checkedout()  # type: ignore[attr-defined]
        return in_use

    async def close(self) -> None:
        await self._engine.dispose()


def _decode_json(connection: Any, _record: object) -> None:
    for kind in ("json", "jsonb"):
        connection.run_async(
            lambda driver, kind=kind: driver.set_type_codec(
                kind, encoder=str, decoder=json.loads, schema="pg_catalog"
            )
        )


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


_Query = TypeVar("_Query", bound=Select[Any])


def only_seen(query: _Query, customer_id: Column[Any], seen: Seen) -> _Query:
    """Leave out rows of customers that do not exist for the caller."""
    return query if seen is None else query.where(customer_id.in_(list(seen)))


def among(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Tell rows whose column has one of these values: one array, not a parameter per value."""
    return column == any_(literal(list(values), postgresql.ARRAY(column.type)))


def _columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind = table.c[name].type
        if isinstance(kind, JSON):
            values = [None if value is None else json.dumps(value) for value in values]
        elif isinstance(kind, ARRAY):  # of numbers
            values = ["{" + ",".join(map(str, value)) + "}" for value in values]
        yield values


async def insert_rows(
    tx: Tx, table: Table, rows: Sequence[Mapping[str, Any]], *, on_conflict: str = ""
) -> None:
    """Insert any number of rows, with the next statement or the commit.

    All rows must have the same keys, which are column names of `table`. `on_conflict` is a
    complete clause, such as `ON CONFLICT DO NOTHING`.
    """
    if rows:
        await tx.write(_Write(table, tuple(rows[0]), on_conflict), _columns(table, rows))


async def insert_new(
    tx: Tx, table: Table, rows: Sequence[Mapping[str, Any]], *, unless: str
) -> int:
    """Insert at once what is not there yet; returns how many rows that were.

    `unless`: the columns of the unique index that tells, such as `(email)`.
    """
    if not rows:
        return 0
    write = _Write(table, tuple(rows[0]), f"ON CONFLICT {unless} DO NOTHING")
    return await tx.run(write.sql(1), *_columns(table, rows))


async def update_rows(
    tx: Tx, table: Table, rows: Sequence[Mapping[str, Any]], *, key: tuple[str, ...] = ("id",)
) -> None:
    """Update any number of rows by key, with the next statement or the commit.

    At most one row per key: with two, PostgreSQL would take either of them.
    """
    if rows:
        await tx.write(_Write(table, tuple(rows[0]), key=key), _columns(table, rows))
