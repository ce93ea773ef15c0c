"""Lists and searches, each with a bound on the work it can cause."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Integer, Select, func, select, text

from services.customers import tables as t
from services.customers.domain.customer import Customer
from services.customers.domain.search import SEARCHED
from services.customers.repository.customers import CUSTOMER_COLUMNS, customer_of
from shared.database import Tx, among
from shared.paging import fetch_page

__all__ = [
    "BEST",
    "SORTS",
    "count_estimate",
    "get_searched",
    "list_customers",
    "page_of_customers",
]

_c = t.customers.c
# Numbers are given in the order of creation.
SORTS: Mapping[str, tuple[Column[Any], ...]] = {
    "created": (_c.number_value,),
    "number": (_c.number_value,),
    "name": (_c.sort_name, _c.number_value),
}
# The order of a search: errors in the words, then the newest.
BEST: tuple[Column[Any], ...] = (Column("fit", Integer), Column("number_value", BigInteger))

_COUNTED_MAX = 1_000


def _filtered(
    columns: Sequence[Column[Any]], filters: Mapping[str, str | None]
) -> Select[tuple[Any, ...]]:
    query = select(*columns)
    for name, value in filters.items():
        if value is not None:
            query = query.where(_c[name] == value)
    return query


async def list_customers(
    tx: Tx,
    filters: Mapping[str, str | None],
    *,
    sort: str,
    descending: bool,
    after: str | None,
    limit: int,
) -> tuple[list[Customer], str | None]:
    """A page, and the cursor to the next one. `filters`: `status` and `country`."""
    query = _filtered(CUSTOMER_COLUMNS, filters)
    rows, following = await fetch_page(tx, query, SORTS[sort], after, limit, descending=descending)
    return [customer_of(row) for row in rows], following


async def page_of_customers(
    tx: Tx, *, after: str | None, limit: int
) -> tuple[list[Customer], str | None]:
    """All customers in the order of their numbers, a page at a time."""
    return await list_customers(tx, {}, sort="number", descending=False, after=after, limit=limit)


async def count_estimate(tx: Tx, filters: Mapping[str, str | None]) -> int:
    """How many customers there are: counted up to 1,000, else as the planner thinks."""
    few = _filtered((_c.id,), filters).limit(_COUNTED_MAX + 1).subquery()
    counted: int = await tx.scalar(select(func.count()).select_from(few)) or 0
    if counted <= _COUNTED_MAX:
        return counted
    given = {name: value for name, value in filters.items() if value is not None}
    conditions = "".join(f" AND {name} = :{name}" for name in given)
    explain = f"EXPLAIN (FORMAT JSON) SELECT FROM customers WHERE true{conditions}"
    plan: Any = await tx.scalar(text(explain), given)
    return max(_COUNTED_MAX + 1, int(plan[0]["Plan"]["Plan Rows"]))


async def get_searched(tx: Tx, ids: Iterable[UUID]) -> Sequence[Any]:
    """What of these customers is searched, as one text, and what they are ordered by."""
    searched = func.concat_ws(" ", *(_c[name] for name in SEARCHED)).label("searched")
    query = select(_c.id, _c.number_value, _c.sort_name, searched)
    return (await tx.execute(query.where(among(_c.id, ids)))).all()
