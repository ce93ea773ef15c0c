"""Everything out again: all customers and users in pages, all personal data of one."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer
from services.customers.use_cases.one_customer import read_customer
from shared.database import Database, Tx

__all__ = ["all_customers", "all_users", "personal_data"]

_PAGE = 500


async def all_customers(database: Database) -> AsyncIterator[Sequence[Customer]]:
    """All customers in the order of their numbers, a page at a time."""
    after: str | None = ""
    while after is not None:
        async with database.reading() as tx:  # given back between pages: readers may be slow
            customers, after = await repository.page_of_customers(tx, after=after, limit=_PAGE)
        yield customers


async def all_users(database: Database) -> AsyncIterator[Sequence[Any]]:
    """All users with the numbers of their customers, oldest first, a page at a time."""
    after: str | None = ""
    while after is not None:
        async with database.reading() as tx:
            users, after = await repository.page_of_users(tx, after=after, limit=_PAGE)
        yield users


async def personal_data(tx: Tx, customer_id: UUID) -> dict[str, Any]:
    """All that is stored here about a customer and its users; raises as `read_customer` does."""
    customer = await read_customer(tx, customer_id)
    users = await repository.get_users(tx, customer_id)
    entitled = (await repository.get_entitlements(tx, [customer_id])).get(customer_id)
    invoices = await repository.get_open_invoices(tx, customer_id)
    return {
        "customer": asdict(customer) | await repository.get_customer_times(tx, customer_id),
        "users": [row._asdict() for row in users],
        "entitlements": entitled._asdict() if entitled else None,
        "open_invoices": [row._asdict() for row in invoices],
    }
