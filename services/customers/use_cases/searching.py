"""Listing customers, and searching them with half typed and misspelt words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer
from services.customers.domain.search import filter_keys
from services.customers.repository import BEST, SORTS
from services.customers.tables import customer_search
from shared.candidates import Asked, by_index_only, find_candidates
from shared.database import Tx
from shared.errors import InputInvalid
from shared.paging import cursor_of, cursor_values
from shared.search import (
    PARTS,
    exact_keys,
    misspelt_keys,
    prefix_keys,
    query_words,
    rank,
)

__all__ = ["FOUND_MAX", "Page", "list_customers", "search_customers"]

FOUND_MAX = 200
"""A search finds so many customers at most; more words find the right ones."""

_ENOUGH = 10  # as long as there are fewer, misspelt words are tried too


@dataclass(frozen=True, slots=True)
class Page:
    customers: Sequence[Customer]
    next: str | None
    total_estimate: int


async def list_customers(
    tx: Tx, filters: Mapping[str, str | None], *, sort: str, after: str | None, limit: int
) -> Page:
    """A page of customers. `sort` is one of `SORTS`, with a leading `-` downwards.

    Raises:
        InputInvalid: there is no such order, or the cursor is not of this list.
    """
    name, descending = _order(sort)
    customers, following = await repository.list_customers(
        tx, filters, sort=name, descending=descending, after=after, limit=limit
    )
    return Page(customers, following, await repository.count_estimate(tx, filters))


def _order(sort: str) -> tuple[str, bool]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise InputInvalid("sort", f"must be one of {', '.join(SORTS)}, or with - before it")
    return name, sort.startswith("-")


async def search_customers(
    tx: Tx,
    words: str,
    filters: Mapping[str, str | None],
    *,
    sort: str | None,
    after: str | None,
    limit: int,
) -> Page:
    """The customers that fit all words, best first unless `sort` is given.

    First who has these very words, then who has words that begin so, and when those are few, who
    has words that differ by a letter or two. At most `FOUND_MAX`.

    Raises:
        InputInvalid: nothing to search for, no such order, or a cursor of another list.
    """
    typed = query_words(words)
    if not typed:
        raise InputInvalid("search", "must have a word of at least two letters or digits")
    found = await _candidates(tx, typed, filters)
    ranked = [
        ((fit, -candidate.number_value), candidate)
        for candidate in await repository.get_searched(tx, found)
        if (fit := rank(typed, candidate.searched)) is not None
    ]
    placed: list[tuple[tuple[Any, ...], Any]] = sorted(ranked, key=itemgetter(0))[:FOUND_MAX]
    columns, descending = BEST, False
    if sort is not None:
        name, descending = _order(sort)
        columns = SORTS[name]
        placed = [(tuple(getattr(c, column.name) for column in columns), c) for _, c in placed]
        placed.sort(key=itemgetter(0), reverse=descending)
    total = len(placed)
    if after:
        last = tuple(cursor_values(columns, after))
        placed = [p for p in placed if (p[0] < last if descending else p[0] > last)]
    following = cursor_of(placed[limit - 1][0]) if len(placed) > limit else None
    ids = [candidate.id for _, candidate in placed[:limit]]
    customers = {customer.id: customer for customer in await repository.get_customers(tx, ids)}
    return Page([customers[i] for i in ids if i in customers], following, total)


async def _candidates(tx: Tx, typed: Sequence[str], filters: Mapping[str, str | None]) -> set[UUID]:
    fitting = [
        Asked([*filter_keys(part, filters), *keys(part, typed)])
        for keys in (exact_keys, prefix_keys)
        for part in PARTS
    ]
    misspelt = [Asked(filter_keys(part, filters), misspelt_keys(part, typed)) for part in PARTS]
    async with by_index_only(tx):
        found = await find_candidates(tx, customer_search, fitting, limit=FOUND_MAX)
        if len(found) < _ENOUGH:
            found |= await find_candidates(tx, customer_search, misspelt, limit=FOUND_MAX)
    return found
