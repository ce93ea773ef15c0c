"""Lists of invoices: any page of any of them is a walk along an index, however many there are."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column

from services.billing import tables as t
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from services.billing.domain.lists import Meant, Wanted, customer_text, states_of
from services.billing.repository.invoices import with_lines
from shared.database import Tx
from shared.paging import cursor_of, cursor_values

__all__ = [
    "FOUND_PER_CUSTOMER",
    "FOUND_PER_TITLE",
    "SORTS",
    "get_series",
    "get_texts_of_customers",
    "get_titles",
    "list_invoices",
]

_c = t.invoices.c
_BY_DATE: tuple[Column[Any], ...] = (_c.listed_on, _c.number_key, _c.id)
SORTS: Mapping[str, tuple[Column[Any], ...]] = {
    "date": _BY_DATE,
    "number": _BY_DATE,
    "customer": (_c.customer_name, _c.id),
    "amount": (_c.total_minor, _c.id),
    "due": (_c.due_on, _c.id),
}
FOUND_PER_CUSTOMER, FOUND_PER_TITLE = 100, 100
"""A search looks at so many invoices at most, the newest, of each customer and title it finds."""

# The states and currencies there are, each found with one look into an index.
_SLOTS = """
RECURSIVE slots (state, currency) AS (
    SELECT s, (SELECT min(i.currency) FROM invoices i WHERE i.state = s)
    FROM unnest({states}) AS s
  UNION ALL
    SELECT s.state, (SELECT min(i.currency) FROM invoices i
                     WHERE i.state = s.state AND i.currency > s.currency)
    FROM slots s WHERE s.currency IS NOT NULL
), wanted AS (SELECT * FROM slots WHERE currency IS NOT NULL {currency})
"""
_IN_SLOT = "i.state = w.state AND i.currency = w.currency"
_FEW = 500
_LATE = f"l.state = w.state AND l.currency = w.currency AND l.due_on > l.listed_on + {t.LATE_DAYS}"
_NEWEST = "ORDER BY i.listed_on DESC, i.number_key DESC, i.id DESC"
_MEANT = f"""
meant AS (
    SELECT id FROM invoices WHERE number = ANY({{numbers}})
  UNION
    SELECT f.id FROM unnest({{customers}}) AS c (id) CROSS JOIN LATERAL (
        SELECT i.id FROM invoices i WHERE i.customer_id = c.id {_NEWEST} LIMIT {FOUND_PER_CUSTOMER}
    ) f
  UNION
    SELECT f.id FROM unnest({{titles}}) AS t (id) CROSS JOIN wanted w CROSS JOIN LATERAL (
        SELECT i.id FROM invoices i WHERE i.title_id = t.id AND {_IN_SLOT} AND {{narrowed}}
        {_NEWEST} LIMIT {FOUND_PER_TITLE}
    ) f
)
"""  # noqa: S608 - names and numbers of this module
_TODAY = (
    "({now} AT TIME ZONE coalesce((SELECT data->>'time_zone' FROM seller_settings), 'UTC'))::date"
)


class _Values(list[Any]):
    """Values of a statement, and where they stand in it."""

    def put(self, value: Any, kind: str) -> str:
        self.append(value)
        return f"${len(self)}::{kind}"


async def list_invoices(
    tx: Tx,
    wanted: Wanted,
    *,
    sort: str,
    descending: bool,
    after: str | None,
    limit: int,
    now: datetime,
    meant: Meant | None = None,
) -> tuple[list[Invoice | Draft], str | None]:
    """A page, and the cursor to the next one. `sort`: one of `SORTS`; `meant`: only among those.

    Raises:
        InputInvalid: the cursor is not of this list.
    """
    columns = SORTS[sort]
    values = _Values()
    narrowed = " AND ".join(_conditions(wanted, values, now))
    kept = narrowed + _behind(columns, values, after, descending=descending)
    way = "DESC" if descending else "ASC"
    order = ", ".join(f"{column.name} {way}" for column in columns)
    keys = ", ".join(dict.fromkeys(["id", *(column.name for column in columns)]))
    rest = f"ORDER BY {order} LIMIT {limit + 1}"
    slots = _SLOTS.format(
        states=values.put(states_of(wanted), "text[]"),
        currency=f"AND currency = {values.put(wanted.currency, 'text')}" if wanted.currency else "",
    )
    # Names are columns; what was typed is among the values.
    if meant is not None:
        found = _MEANT.format(
            numbers=values.put(list(meant.numbers), "text[]"),
            customers=values.put(list(meant.customers), "uuid[]"),
            titles=values.put(list(meant.titles), "uuid[]"),
            narrowed=narrowed,
        )
        source = (
            # One by one: the planner takes them for many, and would read all invoices.
            f"{slots}, {found}, few AS MATERIALIZED (SELECT f.* FROM meant m CROSS JOIN LATERAL ("  # noqa: S608
            f"SELECT {keys} FROM invoices i WHERE i.id = m.id AND {kept} "
            f"AND (i.state, i.currency) IN (TABLE wanted) LIMIT 1) f)"
        )
    elif wanted.state == "partly_paid" or _owners(wanted) is not None:
        source = (
            f"{slots}, few AS MATERIALIZED (SELECT {keys} FROM invoices i "  # noqa: S608
            f"WHERE (state, currency) IN (TABLE wanted) AND {kept})"
        )
    else:
        if wanted.is_of_a_time and columns is not _BY_DATE:
            bounds = _when_due(wanted, values) if sort == "due" else "true"
            walk = _of_a_time(keys, narrowed, kept, bounds, rest)
        else:
            walk = f"SELECT {keys} FROM invoices i WHERE {_IN_SLOT} AND {kept} {rest}"  # noqa: S608
        source = f"{slots}, few AS (SELECT f.* FROM wanted w CROSS JOIN LATERAL ({walk}) f)"  # noqa: S608
    query = (
        f"WITH {source}, page AS (SELECT id FROM few {rest}) "  # noqa: S608
        f"SELECT i.* FROM page JOIN invoices i USING (id) ORDER BY {order}"
    )
    rows = await tx.fetch(query, *values)
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = cursor_of([rows[-1][column.name] for column in columns])
    return await with_lines(tx, rows), following


def _of_a_time(keys: str, narrowed: str, kept: str, bounds: str, rest: str) -> str:
    """Few invoices of a time are sorted; where they are many, a walk soon finds a page of them."""
    return (
        f"SELECT f.* FROM (SELECT array_agg(id) AS ids, count(*) <= {_FEW} AS few FROM ("  # noqa: S608
        f"SELECT id FROM invoices i WHERE {_IN_SLOT} AND {narrowed} LIMIT {_FEW} + 1) n) n "
        f"CROSS JOIN LATERAL ((SELECT {keys} FROM unnest(n.ids) AS of_then (id) "
        f"JOIN invoices i USING (id) WHERE n.few AND {kept} {rest}) UNION ALL "
        f"(SELECT {keys} FROM invoices i WHERE NOT n.few AND {_IN_SLOT} AND {kept} AND {bounds} "
        f"{rest})) f"
    )


def _when_due(wanted: Wanted, values: _Values) -> str:
    """Where in the order of due dates the invoices of a time are."""
    bounds, late = [], [_LATE]
    if wanted.from_date:
        first = values.put(wanted.from_date, "date")
        late.append(f"l.listed_on >= {first}")
        # Not due before it is made: a draft on a day in UTC, its due date is one of the seller's.
        bounds.append(f"i.due_on >= {first} - 1")
    if wanted.to_date:
        last = values.put(wanted.to_date, "date")
        late.append(f"l.listed_on <= {last}")
        # An expression, or the planner would look for the last one along the order of due dates.
        latest = f"SELECT max(l.due_on + 0) FROM invoices l WHERE {' AND '.join(late)}"  # noqa: S608
        bounds.append(f"i.due_on <= greatest({last} + {t.LATE_DAYS}, ({latest}))")
    return " AND ".join(bounds)


def _conditions(wanted: Wanted, values: _Values, now: datetime) -> list[str]:
    found = ["true"]
    if (owners := _owners(wanted)) is not None:
        found.append(f"i.customer_id = ANY({values.put(owners, 'uuid[]')})")
    if wanted.hidden is not None:
        found.append("i.hidden" if wanted.hidden else "NOT i.hidden")
    if wanted.state == "overdue":
        found.append(f"i.due_on < {_TODAY.format(now=values.put(now, 'timestamptz'))}")
    if wanted.state == "partly_paid":
        found.append("i.state = 'open' AND i.paid_minor > 0")  # as its index says it
    if wanted.from_date:
        found.append(f"i.listed_on >= {values.put(wanted.from_date, 'date')}")
    if wanted.to_date:
        found.append(f"i.listed_on <= {values.put(wanted.to_date, 'date')}")
    return found


def _behind(
    columns: Sequence[Column[Any]], values: _Values, after: str | None, *, descending: bool
) -> str:
    if not after:
        return ""
    here = ", ".join(f"i.{column.name}" for column in columns)
    last = ", ".join(
        values.put(value, _KINDS[column.type.python_type])
        for column, value in zip(columns, cursor_values(columns, after), strict=True)
    )
    return f" AND ({here}) {'<' if descending else '>'} ({last})"


_KINDS = {int: "bigint", str: "text", UUID: "uuid", date: "date"}


def _owners(wanted: Wanted) -> list[UUID] | None:
    """The only customers to look at; None: all."""
    if wanted.customer_id is None:
        return None if wanted.seen is None else list(wanted.seen)
    visible = wanted.seen is None or wanted.customer_id in wanted.seen
    return [wanted.customer_id] if visible else []


async def get_series(tx: Tx) -> list[tuple[str, int]]:
    """Name and year of each series of numbers."""
    rows = await tx.fetch("SELECT series, year FROM number_series")
    return [(row.series, row.year) for row in rows]


async def get_titles(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, str]:
    rows = await tx.fetch("SELECT id, title FROM invoice_titles WHERE id = ANY($1)", ids)
    return {row.id: row.title for row in rows}


async def get_texts_of_customers(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, str]:
    """What of these customers is searched."""
    rows = await tx.fetch("SELECT id, state FROM customers WHERE id = ANY($1)", ids)
    return {row.id: customer_text(row.state) for row in rows}
