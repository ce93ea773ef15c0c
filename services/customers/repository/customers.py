"""Customers, what of them is searched, and the record of erased ones."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text

from services.customers import tables as t
from services.customers.domain.customer import Customer, ErasedCustomer
from services.customers.domain.search import search_keys
from shared.database import Tx, among, insert_rows, update_rows
from shared.search import fold

__all__ = [
    "CUSTOMER_COLUMNS",
    "add_customers",
    "add_erased",
    "customer_of",
    "delete_customer",
    "get_customer",
    "get_customer_ids",
    "get_customer_times",
    "get_customers",
    "get_erased",
    "lock_customers",
    "next_numbers",
    "save_customers",
]

_FIELDS = tuple(f.name for f in fields(Customer))
CUSTOMER_COLUMNS = tuple(t.customers.c[name] for name in (*_FIELDS, "number_value", "sort_name"))

# Keys travel as text: `unnest` would flatten an array of arrays.
_SAVE_KEYS = text(
    "INSERT INTO customer_search (customer_id, keys) SELECT id, CAST(keys AS integer[]) "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS v (id, keys) "
    "ON CONFLICT (customer_id) DO UPDATE SET keys = excluded.keys "
    "WHERE customer_search.keys <> excluded.keys"
)


def customer_of(row: Any) -> Customer:
    values = {name: getattr(row, name) for name in _FIELDS}
    for name in ("address_lines", "billing_address"):
        values[name] = tuple(values[name])
    return Customer(**values)


def _row(customer: Customer) -> dict[str, Any]:
    return {
        **asdict(customer),
        "number_value": customer.number_value,
        "sort_name": fold(customer.shown_name),
    }


async def next_numbers(tx: Tx, count: int) -> list[str]:
    query = text("SELECT nextval('customer_number') FROM generate_series(1, :count)")
    return [f"K-{value}" for value in (await tx.execute(query, {"count": count})).scalars()]


async def lock_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Lock the customers, ordered by id: the first statement of everything that writes."""
    query = (
        select(*CUSTOMER_COLUMNS)
        .where(among(t.customers.c.id, ids))
        .order_by(t.customers.c.id)
        .with_for_update()
    )
    return {row.id: customer_of(row) for row in await tx.execute(query)}


async def get_customers(tx: Tx, ids: Iterable[UUID]) -> list[Customer]:
    query = select(*CUSTOMER_COLUMNS).where(among(t.customers.c.id, ids))
    return [customer_of(row) for row in await tx.execute(query)]


async def get_customer(tx: Tx, customer_id: UUID) -> Customer | None:
    return next(iter(await get_customers(tx, [customer_id])), None)


async def get_customer_ids(tx: Tx, numbers: Iterable[str]) -> dict[str, UUID]:
    """Ids by customer number."""
    query = select(t.customers.c.number, t.customers.c.id).where(
        among(t.customers.c.number, numbers)
    )
    return {row.number: row.id for row in await tx.execute(query)}


async def get_customer_times(tx: Tx, customer_id: UUID) -> dict[str, datetime]:
    c = t.customers.c
    query = select(c.created_at, c.updated_at).where(c.id == customer_id)
    return (await tx.execute(query)).one()._asdict()


async def add_customers(tx: Tx, added: Sequence[Customer], *, now: datetime) -> None:
    rows = [{**_row(c), "created_at": now, "updated_at": now} for c in added]
    await insert_rows(tx, t.customers, rows)
    await _save_keys(tx, added)


async def save_customers(tx: Tx, changed: Sequence[Customer], *, now: datetime) -> None:
    await update_rows(tx, t.customers, [{**_row(c), "updated_at": now} for c in changed])
    await _save_keys(tx, changed)


async def _save_keys(tx: Tx, customers: Sequence[Customer]) -> None:
    if customers:
        keys = ["{" + ",".join(map(str, search_keys(c.id, asdict(c)))) + "}" for c in customers]
        await tx.execute(_SAVE_KEYS, {"ids": [c.id for c in customers], "keys": keys})


# -- erasure -----------------------------------------------------------------------------------


async def delete_customer(tx: Tx, customer_id: UUID) -> None:
    """Delete a customer and what is searched of it, and the answers that quote it."""
    await tx.execute(delete(t.customers).where(t.customers.c.id == customer_id))
    await tx.execute(
        text("DELETE FROM idempotency_keys WHERE position(CAST(:id AS bytea) IN body) > 0"),
        {"id": str(customer_id).encode()},
    )


async def add_erased(tx: Tx, record: ErasedCustomer) -> None:
    await insert_rows(tx, t.erased_customers, [asdict(record)])


async def get_erased(tx: Tx, customer_id: UUID) -> ErasedCustomer | None:
    query = select(t.erased_customers).where(t.erased_customers.c.id == customer_id)
    row = (await tx.execute(query)).one_or_none()
    return ErasedCustomer(**row._asdict()) if row else None
