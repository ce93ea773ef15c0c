"""API clients: made, given a new secret, switched off."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.credentials import hash_secret
from services.identity.domain.roles import SCOPES
from services.identity.repository import clients as repository
from shared.audit import Act, record
from shared.clock import NewId, NewSecret
from shared.database import Tx
from shared.errors import Forbidden, InputInvalid, NotFound

__all__ = ["create_client", "rotate_secret", "switch_client"]


async def create_client(
    tx: Tx,
    name: str,
    scopes: Sequence[str],
    customer_ids: Sequence[UUID] | None,
    *,
    granting: frozenset[str],
    actor: str,
    now: datetime,
    new_id: NewId,
    new_secret: NewSecret,
) -> tuple[Any, str]:
    """Make a client; returns its row and its secret, which is not stored.

    Args:
        granting: the scopes of whoever makes it: nobody gives away more than they have.

    Raises:
        InputInvalid: a scope does not exist.
        Forbidden: a scope is not the caller's to give.
    """
    if unknown := sorted(set(scopes) - SCOPES):
        raise InputInvalid("scopes", f"there is no scope {unknown[0]}")
    if beyond := sorted(set(scopes) - granting):
        raise Forbidden("scope_not_yours", f"Only who has {beyond[0]} may give it.")
    secret, client_id = new_secret(), new_id()
    shown = {
        "name": name,
        "scopes": sorted(set(scopes)),
        "customer_ids": None if customer_ids is None else [str(c) for c in customer_ids],
    }
    row = {
        "id": client_id,
        **shown,
        "secret_hash": hash_secret(secret),
        "active": True,
        "created_at": now,
        "rotated_at": now,
    }
    await repository.add_client(tx, row)
    act = Act("client.create", "client", client_id, after=shown)
    await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_client(tx, client_id), secret


async def rotate_secret(
    tx: Tx,
    client_id: UUID,
    *,
    granting: frozenset[str],
    actor: str,
    now: datetime,
    new_id: NewId,
    new_secret: NewSecret,
) -> tuple[Any, str]:
    """Give a client a new secret; the old one is good no longer.

    Raises:
        NotFound: no such client.
        Forbidden: it has scopes that the caller has not, who would get hold of them.
    """
    row = await _lock(tx, client_id)
    if beyond := sorted(set(row.scopes) - granting):
        raise Forbidden("scope_not_yours", f"Only who has {beyond[0]} may do this.")
    secret = new_secret()
    await repository.save_client(tx, client_id, secret_hash=hash_secret(secret), rotated_at=now)
    act = Act("client.rotate_secret", "client", client_id)
    await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_client(tx, client_id), secret


async def switch_client(
    tx: Tx, client_id: UUID, *, active: bool, actor: str, now: datetime, new_id: NewId
) -> Any:
    """Switch a client off or on; tokens it has end with their few minutes.

    Raises:
        NotFound: no such client.
    """
    row = await _lock(tx, client_id)
    if row.active != active:
        await repository.save_client(tx, client_id, active=active)
        act = Act(
            "client.activate" if active else "client.deactivate",
            "client",
            client_id,
            before={"active": row.active},
            after={"active": active},
        )
        await record(tx, actor, [act], now=now, new_id=new_id)
    return await repository.get_client(tx, client_id)


async def _lock(tx: Tx, client_id: UUID) -> Any:
    row = await repository.lock_client(tx, client_id)
    if row is None:
        raise NotFound("client", client_id)
    return row
