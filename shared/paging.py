"""Keyset paging: a page begins behind the last row of the one before, however deep it is."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Select, tuple_

from shared.errors import InputInvalid

__all__ = ["LIMIT_DEFAULT", "LIMIT_MAX", "cursor_of", "page"]

LIMIT_DEFAULT = 50
LIMIT_MAX = 200

_READ: dict[type, Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    UUID: UUID,
    int: int,
    str: str,
}


def page(
    query: Select[Any], columns: Sequence[Column[Any]], after: str | None, limit: int
) -> Select[Any]:
    """Order by `columns`, newest or highest first, and begin behind the cursor.

    Raises:
        InputInvalid: the cursor is not one that `cursor_of` made for these columns.
    """
    if after:
        behind = tuple_(*_values(columns, after))
        query = query.where(tuple_(*columns) < behind)
    return query.order_by(*(column.desc() for column in columns)).limit(limit)


def cursor_of(rows: Sequence[Any], columns: Sequence[Column[Any]], limit: int) -> str | None:
    """What leads to the page behind these rows; None on the last page."""
    if len(rows) < limit:
        return None
    values = [str(getattr(rows[-1], column.name)) for column in columns]
    return urlsafe_b64encode(json.dumps(values).encode()).decode()


def _values(columns: Sequence[Column[Any]], cursor: str) -> list[Any]:
    try:
        texts = json.loads(urlsafe_b64decode(cursor.encode()))
        return [
            _READ[column.type.python_type](text)
            for column, text in zip(columns, texts, strict=True)
        ]
    except (Base64Error, ValueError, TypeError, KeyError) as error:
        raise InputInvalid("after", "must be the `next` of the page before") from error
