"""Keyset paging: a page begins behind the last row of the one before, however deep it is."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Select, tuple_

from shared.database import Tx
from shared.errors import InputInvalid

__all__ = ["LIMIT_DEFAULT", "LIMIT_MAX", "fetch_page"]

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant has a zone")
    return instant


_READ: dict[type, Callable[[str], Any]] = {
    datetime: _instant,
    UUID: UUID,
    int: int,
    str: str,
}


async def fetch_page(
    tx: Tx, query: Select[Any], columns: Sequence[Column[Any]], after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """The rows behind the cursor `after`, ordered by `columns` downwards, and the next cursor.

    Raises:
        InputInvalid: the cursor is not one that was made for these columns.
    """
    if after:
        query = query.where(tuple_(*columns) < tuple_(*_values(columns, after)))
    query = query.order_by(*(column.desc() for column in columns)).limit(limit + 1)
    rows = (await tx.execute(query)).all()
    if len(rows) <= limit:
        return rows, None
    values = [str(getattr(rows[limit - 1], column.name)) for column in columns]
    return rows[:limit], urlsafe_b64encode(json.dumps(values).encode()).decode()


def _values(columns: Sequence[Column[Any]], cursor: str) -> list[Any]:
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
