"""Operators: who there is, what they may do."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.identity.credentials import hash_password
from services.identity.domain.passwords import password_fault
from services.identity.domain.roles import Role, scopes_of
from services.identity.repository import operators as repository
from services.identity.repository import sessions
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict, Forbidden, InputInvalid, NotFound

__all__ = ["create_operator", "edit_operator", "require", "switch_operator"]


async def require(tx: Tx, operator_id: UUID) -> Any:
    """Lock an operator.

    Raises:
        NotFound: no such operator.
    """
    row = await repository.lock_operator(tx, operator_id)
    if row is None:
        raise NotFound("operator", operator_id)
    return row


async def create_operator(
    tx: Tx,
    email: str,
    name: str,
    role: Role,
    *,
    password: str | None,
    granting: frozenset[str],
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Any:
    """Make an operator; without a password they are sent a link to choose one.

    Raises:
        Conflict: somebody has this e-mail already.
        InputInvalid: the password breaks a rule.
        Forbidden: the role may more than the caller.
    """
    _may_give(role, granting)
    if password is not None and (fault := password_fault(password, email)):
        raise InputInvalid("password", fault)
    operator_id = new_id()
    row = {
        "id": operator_id,
        "email": email.lower(),
        "name": name,
        "role": role,
        "active": True,
        "password_hash": None if password is None else await hash_password(password),
        "totp_on": False,
        "totp_last_step": 0,
        "created_at": now,
    }
    if not await repository.add_operator(tx, row):
        raise Conflict("email_taken", "There is an operator with this e-mail already.")
    if password is None:
        pause = timedelta(0)
        await sessions.add_reset(tx, new_id(), operator_id, "invited", now=now, pause=pause)
    shown = {"email": email.lower(), "name": name, "role": role}
    act = Act("operator.create", "operator", operator_id, after=shown)
    await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_operator(tx, operator_id)


async def edit_operator(
    tx: Tx,
    operator_id: UUID,
    *,
    name: str | None,
    role: Role | None,
    granting: frozenset[str],
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Any:
    """Change name or role; another role holds from the next token on, minutes later.

    Raises:
        NotFound: no such operator.
        Forbidden: the old or the new role may more than the caller.
        Conflict: nobody would be left who may do everything.
    """
    await repository.lock_admins(tx)
    row = await require(tx, operator_id)
    changes = {
        field: value
        for field, value in (("name", name), ("role", role))
        if value is not None and value != getattr(row, field)
    }
    if not changes:
        return row
    if "role" in changes:
        _may_give(row.role, granting)
        _may_give(changes["role"], granting)
        await _keep_an_admin(tx, row)
    await repository.save_operator(tx, operator_id, **changes)
    before = {field: getattr(row, field) for field in changes}
    act = Act("operator.edit", "operator", operator_id, before=before, after=changes)
    await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_operator(tx, operator_id)


async def switch_operator(
    tx: Tx,
    operator_id: UUID,
    *,
    active: bool,
    granting: frozenset[str],
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Any:
    """Deactivate an operator, which ends their sessions, or reactivate one.

    Raises:
        NotFound: no such operator.
        Forbidden: the operator's role may more than the caller.
        Conflict: nobody would be left who may do everything.
    """
    await repository.lock_admins(tx)
    row = await require(tx, operator_id)
    if row.active == active:
        return row
    _may_give(row.role, granting)
    if not active:
        await _keep_an_admin(tx, row)
        await sessions.end_sessions_of(tx, operator_id)
        await sessions.use_resets_of(tx, operator_id)
    await repository.save_operator(tx, operator_id, active=active)
    act = Act(
        "operator.reactivate" if active else "operator.deactivate",
        "operator",
        operator_id,
        before={"active": row.active},
        after={"active": active},
    )
    await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_operator(tx, operator_id)


def _may_give(role: str, granting: frozenset[str]) -> None:
    if beyond := sorted(scopes_of(role) - granting):
        raise Forbidden("scope_not_yours", f"The role {role} has {beyond[0]}, which you have not.")


async def _keep_an_admin(tx: Tx, row: Any) -> None:
    if row.role == "admin" and row.active and await repository.active_admins(tx) == 1:
        raise Conflict("last_admin", "This is the last active administrator.")
