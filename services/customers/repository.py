"""Every query of the customers service."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.customers import tables as t
from services.customers.domain.customer import Customer
from shared.database import Tx, insert_rows, update_rows
from shared.paging import fetch_page

__all__ = [
    "add_customers",
    "get_customer",
    "list_customers",
    "lock_customers",
    "next_number",
    "save_customers",
]

_FIELDS = tuple(f.name for f in fields(Customer))


def _customer(row: Any) -> Customer:
    values = {name: getattr(row, name) for name in _FIELDS}
    for name in ("address_lines", "billing_address"):
        values[name] = tuple(values[name])
    return Customer(**values)


async def next_number(tx: Tx) -> str:
    return f"K-{await tx.scalar(t.number_sequence.next_value())}"


async def lock_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Lock the customers, ordered by id: the first statement of everything that writes."""
    query = (
        select(t.customers)
        .where(t.customers.c.id.in_(list(ids)))
        .order_by(t.customers.c.id)
        .with_for_update()
    )
    return {row.id: _customer(row) for row in await tx.execute(query)}


async def get_customer(tx: Tx, customer_id: UUID) -> Customer | None:
    query = select(t.customers).where(t.customers.c.id == customer_id)
    row = (await tx.execute(query)).one_or_none()
    return _customer(row) if row else None


async def list_customers(
    tx: Tx, *, after: str | None, limit: int
) -> tuple[list[Customer], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.customers.c.created_at, t.customers.c.id)
    rows, following = await fetch_page(tx, select(t.customers), columns, after, limit)
    return [_customer(row) for row in rows], following


async def add_customers(tx: Tx, added: Sequence[Customer], *, now: datetime) -> None:
    rows = [{**asdict(c), "created_at": now, "updated_at": now} for c in added]
    await insert_rows(tx, t.customers, rows)


async def save_customers(tx: Tx, changed: Sequence[Customer], *, now: datetime) -> None:
    await update_rows(tx, t.customers, [{**asdict(c), "updated_at": now} for c in changed])
