"""Transactions and what they gather to write, on a table or two of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import Database, RolledBack, insert_new, insert_rows, update_rows
from shared.sql_errors import is_transient
from tests.servers import TestServers

_SLEEP = "SELECT pg_sleep(30)"
_METADATA = MetaData()
PARENTS = Table("parents", _METADATA, Column("id", Integer), Column("facts", JSONB))
CHILDREN = Table("children", _METADATA, Column("parent_id", Integer), Column("name", Text))


@pytest.fixture(scope="module")
async def database(databases: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(databases["billing"], 2)
    async with database.transaction() as tx:
        await tx.fetch("CREATE TABLE parents (id int PRIMARY KEY, facts jsonb)")
        await tx.fetch("CREATE TABLE children (parent_id int REFERENCES parents, name text)")
    yield database
    await database.close()


@pytest.fixture(autouse=True)
async def clean(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.fetch("TRUNCATE parents, children")
        await insert_rows(tx, PARENTS, [{"id": 0, "facts": None}])


async def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608


async def test_rows_of_several_tables_are_one_statement_and_come_in_any_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    execute = asyncpg.Connection.execute

    async def listening(self: Any, query: str, *values: Any, **named: Any) -> Any:
        said.append(query)
        return await execute(self, query, *values, **named)

    monkeypatch.setattr(asyncpg.Connection, "execute", listening)
    async with database.transaction() as tx:
        await insert_rows(tx, CHILDREN, [{"parent_id": 1, "name": "before its parent"}])
        await insert_rows(tx, PARENTS, [{"id": 1, "facts": {"named": ["x"]}}])
    assert await rows(database, "children") == [(1, "before its parent")]
    assert (await rows(database, "parents"))[1] == (1, {"named": ["x"]})
    assert len([query for query in said if "INSERT" in query]) == 1


async def test_what_waits_is_written_before_anything_is_read(database: Database) -> None:
    async with database.transaction() as tx:
        await insert_rows(tx, PARENTS, [{"id": 1, "facts": None}])
        (found,) = await tx.fetch("SELECT count(*) AS there FROM parents")
        assert found.there == 2


async def test_writes_to_one_table_keep_their_order(database: Database) -> None:
    async with database.transaction() as tx:
        await insert_rows(tx, PARENTS, [{"id": 1, "facts": None}])
        for number in range(3):
            await update_rows(tx, PARENTS, [{"id": 1, "facts": {"number": number}}])
    assert (await rows(database, "parents"))[1] == (1, {"number": 2})


async def test_what_is_wrong_with_a_write_comes_up_and_undoes_all(database: Database) -> None:
    async def orphan() -> None:
        async with database.transaction() as tx:
            await insert_rows(tx, PARENTS, [{"id": 1, "facts": None}])
            await insert_rows(tx, CHILDREN, [{"parent_id": 9, "name": "nobody's"}])

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await orphan()
    assert await rows(database, "parents") == [(0, None)]


async def test_an_attempt_is_undone_alone(database: Database) -> None:
    async with database.transaction() as tx:
        await insert_rows(tx, PARENTS, [{"id": 1, "facts": None}])
        async with tx.attempt():
            await insert_rows(tx, PARENTS, [{"id": 2, "facts": None}])
            raise RolledBack
        await insert_rows(tx, PARENTS, [{"id": 3, "facts": None}])
    assert [row[0] for row in await rows(database, "parents")] == [0, 1, 3]


async def test_only_what_is_not_there_yet_is_counted_as_new(database: Database) -> None:
    added = [{"id": number, "facts": None} for number in range(3)]
    async with database.transaction() as tx:
        assert await insert_new(tx, PARENTS, added, unless="(id)") == 2
        assert await insert_new(tx, PARENTS, added, unless="(id)") == 0


async def test_without_a_transaction_a_write_is_there_at_once(database: Database) -> None:
    async with database.reading() as tx:
        await insert_rows(tx, PARENTS, [{"id": 1, "facts": None}])
        assert len(await rows(database, "parents")) == 2


async def test_only_what_passes_by_itself_is_worth_another_try(database: Database) -> None:
    async def fails(sql: str, *values: Any, closed: bool = False) -> BaseException:
        async with database.reading() as tx:
            if closed:
                tx._driver.terminate()
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as raised:
                await tx.fetch(sql, *values)
        return raised.value

    assert not is_transient(await fails("SELECT $1::int", 1 << 40))
    assert not is_transient(await fails("SELECT $1::int", "no number"))
    assert not is_transient(await fails("SELECT $1::int"))
    assert not is_transient(await fails("SELECT 1 / 0"))
    assert is_transient(await fails("SELECT 1", closed=True))


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("sent", [True, False], ids=["sent", "not sent"])
async def test_who_is_interrupted_leaves_nothing_open_for_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch, word: str, sent: bool
) -> None:
    execute = asyncpg.Connection.execute

    async def interrupted(self: Any, query: str, *values: Any, **named: Any) -> Any:
        if not query.startswith(word):
            return await execute(self, query, *values, **named)
        if sent:
            await execute(self, query)
        raise asyncio.CancelledError

    async def add(number: int, *, keep: bool = True) -> None:
        async with database.transaction() as tx:
            await insert_rows(tx, PARENTS, [{"id": number, "facts": None}])
            if not keep:
                raise RolledBack

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", interrupted)
        with suppress(asyncio.CancelledError):
            await add(1, keep=word != "ROLLBACK")
    for number in range(2, 5):  # more often than the pool has connections
        await add(number)

    kept = {row[0] for row in await rows(database, "parents")}
    assert kept == {0, *([1] if word == "COMMIT" and sent else []), 2, 3, 4}


@pytest.mark.parametrize("way", ["fetch", "execute"], ids=["driver", "sqlalchemy"])
@pytest.mark.parametrize("inside", ["reading", "transaction"])
async def test_who_is_cancelled_while_asking_stops(
    database: Database, way: str, inside: str
) -> None:
    """Another error in the place of the cancellation would be logged, and the work go on."""
    asking = asyncio.Event()

    async def ask() -> None:
        async with getattr(database, inside)() as tx:
            asking.set()
            await getattr(tx, way)(_SLEEP if way == "fetch" else text(_SLEEP))

    for _ in range(3):  # more often than the pool has connections
        asking.clear()
        task = asyncio.create_task(ask())
        await asking.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await rows(database, "parents") == [(0, None)]


async def test_a_connection_that_was_lost_is_not_handed_out_again(
    database: Database, servers: TestServers
) -> None:
    async def cut() -> None:
        async with database.transaction() as tx:
            (own,) = await tx.fetch("SELECT pg_backend_pid() AS pid")
            other = await asyncpg.connect(servers.postgres_url)
            await other.fetchval("SELECT pg_terminate_backend($1, 5000)", own.pid)
            await other.close()
            await tx.fetch("SELECT 1")

    for _ in range(3):  # more often than the pool has connections
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await cut()
    assert await rows(database, "parents") == [(0, None)]
