"""API clients."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from services.identity import schemas
from services.identity.repository import clients as repository
from services.identity.use_cases import clients
from shared.auth import Call, access
from shared.clock import new_secret
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/clients")
async def list_clients(
    call: Annotated[Call, access("clients:read")],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.ClientsOut:
    """Newest first."""
    rows, following = await repository.list_clients(call.tx, after=after, limit=limit)
    return schemas.ClientsOut(items=[_out(row) for row in rows], next=following)


@router.post("/clients", status_code=201)
async def create_client(
    body: schemas.ClientIn,
    call: Annotated[Call, access("clients:write", confidential=True)],
) -> schemas.ClientSecretOut:
    """Add a client; its secret is shown once. Its `id` is the `client_id` of OAuth."""
    row, secret = await clients.create_client(
        call.tx,
        body.name,
        body.scopes,
        body.customer_ids,
        granting=call.caller.scopes,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
        new_secret=new_secret,
    )
    return _with_secret(row, secret)


@router.post("/clients/{client_id}/rotate-secret")
async def rotate_secret(
    client_id: UUID, call: Annotated[Call, access("clients:write", confidential=True)]
) -> schemas.ClientSecretOut:
    """Give a client a new secret, shown once; the old one is good no longer."""
    row, secret = await clients.rotate_secret(
        call.tx,
        client_id,
        granting=call.caller.scopes,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
        new_secret=new_secret,
    )
    return _with_secret(row, secret)


@router.post("/clients/{client_id}/deactivate")
async def deactivate_client(
    client_id: UUID, call: Annotated[Call, access("clients:write")]
) -> schemas.ClientOut:
    """Switch a client off; tokens it has end within their minutes."""
    row = await clients.switch_client(
        call.tx,
        client_id,
        active=False,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(row)


def _out(row: Any) -> schemas.ClientOut:
    return schemas.ClientOut.model_validate(row, from_attributes=True)


def _with_secret(row: Any, secret: str) -> schemas.ClientSecretOut:
    return schemas.ClientSecretOut(**_out(row).model_dump(), client_secret=secret)
