"""Keyset paging: a page begins behind the last row of the one before, however deep it is."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Select, tuple_

from shared.database import Tx
from shared.errors import InputInvalid

__all__ = ["LIMIT_DEFAULT", "LIMIT_MAX", "cursor_of", "cursor_values", "fetch_page"]

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant has a zone")
    return instant


def _bigint(text: str) -> int:
    number = int(text)
    if number.bit_length() > 63:  # noqa: PLR2004 - PostgreSQL's
        raise ValueError("too large")
    return number


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL stores no NUL")
    text.encode()  # nor unpaired surrogates
    return text


_READ: dict[type, Callable[[str], Any]] = {
    date: date.fromisoformat,
    datetime: _instant,
    UUID: UUID,
    int: _bigint,
    str: _storable,
}


async def fetch_page(
    tx: Tx,
    query: Select[Any],
    columns: Sequence[Column[Any]],
    after: str | None,
    limit: int,
    *,
    descending: bool = True,
) -> tuple[Sequence[Any], str | None]:
    """The rows behind the cursor `after`, ordered by `columns`, and the next cursor.

    Raises:
        InputInvalid: the cursor is not one that was made for these columns.
    """
    if after:
        here, last = tuple_(*columns), tuple_(*cursor_values(columns, after))
        query = query.where(here < last if descending else here > last)
    order = (column.desc() if descending else column.asc() for column in columns)
    query = query.order_by(*order).limit(limit + 1)
    rows = (await tx.execute(query)).all()
    if len(rows) <= limit:
        return rows, None
    last_row = rows[limit - 1]
    return rows[:limit], cursor_of([getattr(last_row, column.name) for column in columns])


def cursor_of(values: Sequence[Any]) -> str:
    return urlsafe_b64encode(json.dumps(list(map(str, values))).encode()).decode()


def cursor_values(columns: Sequence[Column[Any]], cursor: str) -> list[Any]:
    """What `cursor_of` was made of.

    Raises:
        InputInvalid: it was not made for these columns.
    """
    try:
        texts = json.loads(urlsafe_b64decode(cursor.encode()))
        return [
            _READ[column.type.python_type](text)
            for column, text in zip(columns, texts, strict=True)
        ]
    except (
        Base64Error,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InputInvalid("after", "must be the `next` of the page before") from error
