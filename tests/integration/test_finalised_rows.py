"""What is finalised cannot be changed, not even by who has the database in hand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Table

from services.billing.tables import invoice_lines, invoices
from tests.integration.steps import new_customer
from tests.system import System

# All else must stay: a new column has to say here, and in its migration, that it may change.
LIVING = {
    "state",
    "version",
    "due_date",
    "paid_minor",
    "credited_minor",
    "surplus_minor",
    "settlement",
    "paid_at",
    "voided_at",
    "void_reason",
    "replaced_by",
    "hidden",
    "mails",
    "downloaded_at",
}
OTHER = {
    str: "coalesce({0}, '') || 'x'",
    int: "{0} + 1",
    Decimal: "{0} + 1",
    date: "coalesce({0}, '2020-01-01') + 1",
    datetime: "coalesce({0}, '2020-01-01') + interval '1 day'",
    UUID: "gen_random_uuid()",
    object: "'{{\"a\": 1}}'",
    bool: "NOT {0}",
}


@pytest.fixture(scope="module")
async def ids(system: System) -> dict[str, UUID]:
    """An invoice in each state that is finalised, and a draft."""
    await system.seeded()
    customer = (await new_customer(system))["id"]
    found = {}
    for state in ("open", "paid", "void", "credited", "draft"):
        lines = [{"title": "Beratung", "unit_price": "100.00"}] * 2
        made = await system.post("/invoices", {"customer_id": customer, "lines": lines})
        path = f"/invoices/{made['id']}"
        if state != "draft":
            made = await system.post(f"{path}/finalize", expect=200)
        if state == "paid":
            await system.post(f"{path}/payments", {"amount": made["total"]})
        if state == "void":
            await system.post(f"{path}/void", expect=200)
        if state == "credited":
            await system.post(f"{path}/credit-notes", {})
        assert (await system.get(path))["state"] == state
        found[state] = UUID(made["id"])
    return found


Trying = Callable[..., Awaitable[str]]


@pytest.fixture(scope="module")
async def trying(system: System) -> AsyncIterator[Trying]:
    """Runs statements and takes them back; says what they were refused for."""
    connection: Any = await asyncpg.connect(system.databases["billing"])

    async def run(*statements: str) -> str:
        tried = connection.transaction()
        await tried.start()
        try:
            for statement in statements:
                await connection.execute(statement)
        except asyncpg.PostgresError as error:
            return str(type(error).__name__)
        finally:
            await tried.rollback()
        return ""

    yield run
    await connection.close()


def changed(table: Table, column: Column[Any], where: str) -> str:
    other = OTHER[column.type.python_type].format(column.name)
    return f"UPDATE {table.name} SET {column.name} = {other} WHERE {where}"  # noqa: S608 - names of columns


@pytest.mark.parametrize("column", list(invoices.columns), ids=lambda column: column.name)
async def test_of_a_finalised_invoice_only_its_life_goes_on(
    ids: dict[str, UUID], trying: Trying, column: Column[Any]
) -> None:
    for state, invoice_id in ids.items():
        refused = await trying(changed(invoices, column, f"id = '{invoice_id}'"))
        if column.computed is not None:  # nobody writes it, the database derives it
            assert refused == "GeneratedAlwaysError", state
        elif state != "draft" and column.name not in LIVING:
            assert refused == "RestrictViolationError", state
        else:
            assert refused != "RestrictViolationError", state


@pytest.mark.parametrize("column", list(invoice_lines.columns), ids=lambda column: column.name)
async def test_of_its_lines_only_what_is_credited_changes(
    ids: dict[str, UUID], trying: Trying, column: Column[Any]
) -> None:
    for state, invoice_id in ids.items():
        statement = changed(invoice_lines, column, f"invoice_id = '{invoice_id}' AND position = 2")
        refused = await trying(statement)
        if state != "draft" and column.name != "credited_minor":
            assert refused == "RestrictViolationError", state
        else:
            assert refused != "RestrictViolationError", state


async def test_nothing_of_it_is_deleted_added_or_moved(
    ids: dict[str, UUID], trying: Trying
) -> None:
    names = ", ".join(column.name for column in invoice_lines.columns if column.name != "position")
    draft = ids["draft"]
    for state, invoice_id in ids.items():
        one = f"invoice_id = '{invoice_id}' AND position = 2"
        more = (
            f"INSERT INTO invoice_lines ({names}, position) "  # noqa: S608 - names of columns
            f"SELECT {names}, 3 FROM invoice_lines WHERE {one}"
        )
        free = (
            f"UPDATE invoice_lines SET position = 9, invoice_id = '{invoice_id}' "  # noqa: S608 - an id
            f"WHERE invoice_id = '{draft}' AND position = 1"
        )
        without = (
            f"DELETE FROM invoice_lines WHERE invoice_id = '{invoice_id}'",  # noqa: S608 - an id
            f"DELETE FROM invoices WHERE id = '{invoice_id}'",  # noqa: S608 - an id
        )
        tried = [
            await trying(more),
            await trying(free),
            await trying(without[0]),
            await trying(*without),
            await trying(f"UPDATE invoices SET state = 'draft' WHERE id = '{invoice_id}'"),  # noqa: S608 - an id
        ]
        if state == "draft":
            assert tried == [""] * 5
        else:
            assert tried == [*["RestrictViolationError"] * 4, "CheckViolationError"], state
