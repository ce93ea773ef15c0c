"""The audit log of a service over HTTP: `/v1/<service>/audit`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.audit import list_acts
from shared.auth import Call, access
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["audit_router"]


class ActOut(BaseModel):
    """One thing somebody did; `before` and `after` hold what changed."""

    id: UUID
    at: datetime
    actor: str
    action: str
    target: str
    target_id: str
    customer_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


class ActsOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[ActOut]
    next: str | None


def audit_router(service: str) -> APIRouter:
    router = new_router()

    @router.get(f"/{service}/audit")
    async def list_audit(
        call: Annotated[Call, access("audit:read")],
        customer_id: UUID | None = None,
        target_id: Annotated[str | None, Query(pattern=r"^[\x21-\x7e]{1,200}$")] = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    ) -> ActsOut:
        """Who did what in this service, newest first."""
        rows, following = await list_acts(
            call.tx, customer_id=customer_id, target_id=target_id, after=after, limit=limit
        )
        return ActsOut(
            items=[ActOut.model_validate(row, from_attributes=True) for row in rows],
            next=following,
        )

    return router
