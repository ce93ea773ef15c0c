"""Finding rows by keys of what is searched in them (see `shared.search`), without reading much.

A table of keys has the id of what is searched as its primary key, and `keys` with a GIN index.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, text

from shared.database import Tx

__all__ = ["Asked", "by_index_only", "find_candidates"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Keys of which a candidate has all that are `required` and one out of each group."""

    required: Sequence[int]
    groups: Sequence[Sequence[int]] = ()


async def find_candidates(tx: Tx, table: Table, parts: Sequence[Asked], *, limit: int) -> set[UUID]:
    """Ids that are found in any part, the later ones asked only while there are too few."""
    (ident,) = table.primary_key.columns
    found, values = [], dict[str, Any](limit=limit)
    for p, asked in enumerate(parts):
        lists = {f"required_{p}": asked.required} if asked.required else {}
        conditions = [f"keys @> CAST(:{name} AS integer[])" for name in lists]
        groups = {f"group_{p}_{g}": keys for g, keys in enumerate(asked.groups)}
        conditions += [f"keys && CAST(:{name} AS integer[])" for name in groups]
        values |= {name: list(keys) for name, keys in (lists | groups).items()}
        # Materialized: planned as if all of it were read, and read as far as the limit goes.
        found.append(
            f"part_{p} AS MATERIALIZED (SELECT {ident.name} FROM {table.name} "  # noqa: S608 - names of tables, and names made here
            f"WHERE {' AND '.join(conditions)})"
        )
    union = " UNION ALL ".join(f"TABLE part_{p}" for p in range(len(parts)))
    query = text(f"WITH {', '.join(found)} {union} LIMIT :limit")
    return set((await tx.execute(query, values)).scalars())


@asynccontextmanager
async def by_index_only(tx: Tx) -> AsyncIterator[None]:
    """Keep the planner from reading whole tables: it takes many rare keys for common ones."""
    await tx.execute(text("SET enable_seqscan = off"))
    try:
        yield
    finally:
        await tx.execute(text("RESET enable_seqscan"))
