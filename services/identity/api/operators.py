"""Operators, as administrators see them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.identity import schemas
from services.identity.repository import operators as repository
from services.identity.use_cases import operators
from shared.auth import Call, access
from shared.errors import NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/operators")
async def list_operators(
    call: Annotated[Call, access("operators:read")],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.OperatorsOut:
    """Newest first."""
    rows, following = await repository.list_operators(call.tx, after=after, limit=limit)
    return schemas.OperatorsOut(items=[_out(row) for row in rows], next=following)


@router.get("/operators/{operator_id}")
async def get_operator(
    operator_id: UUID, call: Annotated[Call, access("operators:read")]
) -> schemas.OperatorOut:
    row = await repository.get_operator(call.tx, operator_id)
    if row is None:
        raise NotFound("operator", operator_id)
    return _out(row)


@router.post("/operators", status_code=201)
async def create_operator(
    body: schemas.OperatorIn, call: Annotated[Call, access("operators:write")]
) -> schemas.OperatorOut:
    """Add an operator, who gets a mail with a link to choose a password."""
    row = await operators.create_operator(
        call.tx,
        body.email,
        body.name,
        body.role,
        password=None,
        granting=call.caller.scopes,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(row)


@router.patch("/operators/{operator_id}")
async def edit_operator(
    operator_id: UUID,
    body: schemas.OperatorPatch,
    call: Annotated[Call, access("operators:write")],
) -> schemas.OperatorOut:
    """Change name or role."""
    row = await operators.edit_operator(
        call.tx,
        operator_id,
        name=body.name,
        role=body.role,
        granting=call.caller.scopes,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(row)


@router.post("/operators/{operator_id}/deactivate")
async def deactivate_operator(
    operator_id: UUID, call: Annotated[Call, access("operators:write")]
) -> schemas.OperatorOut:
    """Take an operator's access away; their sessions end."""
    return await _switch(operator_id, call, active=False)


@router.post("/operators/{operator_id}/reactivate")
async def reactivate_operator(
    operator_id: UUID, call: Annotated[Call, access("operators:write")]
) -> schemas.OperatorOut:
    return await _switch(operator_id, call, active=True)


async def _switch(operator_id: UUID, call: Call, *, active: bool) -> schemas.OperatorOut:
    row = await operators.switch_operator(
        call.tx,
        operator_id,
        active=active,
        granting=call.caller.scopes,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(row)


def _out(row: object) -> schemas.OperatorOut:
    return schemas.OperatorOut.model_validate(row, from_attributes=True)
