"""Operators and their recovery codes."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text

from services.identity import tables as t
from shared.database import Tx, insert_new, insert_rows, update_rows
from shared.paging import fetch_page

__all__ = [
    "active_admins",
    "add_operator",
    "find_operator",
    "get_operator",
    "list_operators",
    "lock_admins",
    "lock_operator",
    "recovery_hashes",
    "replace_recovery_hashes",
    "save_operator",
    "use_recovery_hash",
]


async def find_operator(tx: Tx, email: str) -> Any:
    query = select(t.operators).where(t.operators.c.email == email.lower())
    return (await tx.execute(query)).one_or_none()


async def get_operator(tx: Tx, operator_id: UUID) -> Any:
    query = select(t.operators).where(t.operators.c.id == operator_id)
    return (await tx.execute(query)).one_or_none()


async def lock_operator(tx: Tx, operator_id: UUID) -> Any:
    query = select(t.operators).where(t.operators.c.id == operator_id).with_for_update()
    return (await tx.execute(query)).one_or_none()


async def list_operators(
    tx: Tx, *, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.operators.c.created_at, t.operators.c.id)
    return await fetch_page(tx, select(t.operators), columns, after, limit)


async def add_operator(tx: Tx, row: dict[str, Any]) -> bool:
    """Add an operator; False when the e-mail is taken."""
    return await insert_new(tx, t.operators, [row], unless="(email)") == 1


async def save_operator(tx: Tx, operator_id: UUID, **values: Any) -> None:
    await update_rows(tx, t.operators, [{"id": operator_id, **values}])


async def lock_admins(tx: Tx) -> None:
    """Whoever may take away the last administrator waits for others who may."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('kontor admins'))"))


async def active_admins(tx: Tx) -> int:
    query = select(func.count()).where(t.operators.c.role == "admin", t.operators.c.active)
    return int(await tx.scalar(query) or 0)


async def recovery_hashes(tx: Tx, operator_id: UUID) -> list[str]:
    query = select(t.recovery_codes.c.code_hash).where(
        t.recovery_codes.c.operator_id == operator_id
    )
    return list((await tx.execute(query)).scalars())


async def use_recovery_hash(tx: Tx, operator_id: UUID, code_hash: str) -> bool:
    """Use a code up; False when somebody else just did."""
    used = delete(t.recovery_codes).where(
        t.recovery_codes.c.operator_id == operator_id, t.recovery_codes.c.code_hash == code_hash
    )
    return (await tx.execute(used)).rowcount == 1


async def replace_recovery_hashes(tx: Tx, operator_id: UUID, hashes: Iterable[str]) -> None:
    mine = t.recovery_codes.c.operator_id == operator_id
    await tx.execute(delete(t.recovery_codes).where(mine))
    rows = [{"operator_id": operator_id, "code_hash": code_hash} for code_hash in hashes]
    await insert_rows(tx, t.recovery_codes, rows)
