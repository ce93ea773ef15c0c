"""Lists of invoices, searched by number, title and customer, a page at a time or all of them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table

from services.billing import repository
from services.billing import tables as t
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from services.billing.domain.lists import Meant, Wanted, is_number, numbers_meant
from services.billing.repository import SORTS
from shared.candidates import Asked, by_index_only, find_candidates
from shared.database import Database, Tx
from shared.errors import InputInvalid
from shared.search import PARTS, exact_keys, misspelt_keys, prefix_keys, query_words, rank

__all__ = ["all_invoices", "check", "list_invoices"]

_CUSTOMERS_MAX, _TITLES_MAX = 50, 20
_ENOUGH = 10  # as long as there are fewer, misspelt words are tried too
_PAGE = 500


async def list_invoices(
    tx: Tx, wanted: Wanted, typed: str, *, sort: str, after: str | None, limit: int, now: datetime
) -> tuple[list[Invoice | Draft], str | None]:
    """A page in the order `sort`, downwards with `-` before it, and the cursor to the next one.

    What was `typed` is a number or its end, or words of a title or of a customer.

    Raises:
        InputInvalid: no such order, nothing to search for, or a cursor of another list.
    """
    check(sort, typed)
    meant = await _meant(tx, typed) if typed else None
    return await repository.list_invoices(
        tx,
        wanted,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        after=after,
        limit=limit,
        now=now,
        meant=meant,
    )


def check(sort: str, typed: str) -> None:
    """Refuse what is no list at all.

    Raises:
        InputInvalid: no such order, or nothing to search for.
    """
    if sort.removeprefix("-") not in SORTS:
        raise InputInvalid("sort", f"must be one of {', '.join(SORTS)}, or with - before it")
    if typed and not query_words(typed) and not is_number(typed):
        raise InputInvalid("q", "must have a word of at least two letters or digits, or a number")


async def all_invoices(
    database: Database, wanted: Wanted, typed: str, *, sort: str, now: datetime
) -> AsyncIterator[Sequence[Invoice | Draft]]:
    """All that a list has, a page at a time; raises as `list_invoices` does."""
    after: str | None = ""
    while after is not None:
        async with database.reading() as tx:  # given back between pages: readers may be slow
            page, after = await list_invoices(
                tx, wanted, typed, sort=sort, after=after, limit=_PAGE, now=now
            )
        yield page


async def _meant(tx: Tx, typed: str) -> Meant:
    words = query_words(typed)
    async with by_index_only(tx):
        customers = await _candidates(tx, t.customer_search, words)
        titles = await _candidates(tx, t.invoice_titles, words)
    return Meant(
        titles=_best(words, await repository.get_titles(tx, list(titles)), _TITLES_MAX),
        customers=_best(
            words, await repository.get_texts_of_customers(tx, list(customers)), _CUSTOMERS_MAX
        ),
        numbers=numbers_meant(typed, await repository.get_series(tx)),
    )


async def _candidates(tx: Tx, table: Table, words: Sequence[str]) -> Collection[UUID]:
    if not words:
        return ()
    limit = 2 * _CUSTOMERS_MAX
    fitting = [Asked(keys(p, words)) for keys in (exact_keys, prefix_keys) for p in PARTS]
    found = await find_candidates(tx, table, fitting, limit=limit)
    if len(found) < _ENOUGH:
        misspelt = [Asked([], misspelt_keys(part, words)) for part in PARTS]
        found |= await find_candidates(tx, table, misspelt, limit=limit)
    return found


def _best(words: Sequence[str], texts: Mapping[UUID, str], count: int) -> frozenset[UUID]:
    fits = {ident: rank(words, text) for ident, text in texts.items()}
    ranked = sorted((fit, ident) for ident, fit in fits.items() if fit is not None)
    return frozenset(ident for _, ident in ranked[:count])
