"""The failures of a service over HTTP: `/v1/<service>/failures`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from shared.audit import Act, record
from shared.auth import Call, access
from shared.database import RolledBack
from shared.errors import NotFound
from shared.http import InputModel, new_router
from shared.messaging import failures
from shared.messaging.failures import Kind
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["failures_router"]


FailureId = Annotated[int, Field(ge=0, le=2**62)]


class FailureOut(BaseModel):
    """`kind`: `dead` (gave up; `reason` says why) or `parked` (waits, is tried again by itself)."""

    kind: Kind
    id: int
    consumer: str
    event_id: UUID
    type: str | None
    key: str | None
    topic: str
    partition: int
    position: int
    reason: str
    since: datetime
    size_bytes: int | None


class FailureDetailOut(FailureOut):
    """`body` is the record's value as text, with unreadable bytes replaced."""

    headers: dict[str, str]
    body: str | None
    state: str


class FailuresOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[FailureOut]
    next: int | None


class FailuresIn(InputModel):
    """Which failures to act on; with `dry_run` it only says which ones it would be."""

    kind: Kind
    ids: Annotated[tuple[FailureId, ...], Field(min_length=1, max_length=1000)]
    dry_run: bool = False


class ResolvedOut(BaseModel):
    """`resolved`: those acted on; `passed_over`: unknown, or resolved already."""

    resolved: list[int]
    passed_over: list[int]
    dry_run: bool


def failures_router(service: str) -> APIRouter:
    router = new_router()
    base = f"/{service}/failures"

    @router.get(base)
    async def list_failures(
        call: Annotated[Call, access("failures:read")],
        kind: Kind = "dead",
        consumer: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = None,
        after: FailureId | None = None,
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    ) -> FailuresOut:
        """Messages this service could not handle, oldest first."""
        rows = await failures.list_failures(
            call.tx, kind, consumer=consumer, after=after, limit=limit + 1
        )
        return FailuresOut(
            items=[FailureOut(**_facts(row)) for row in rows[:limit]],
            next=rows[limit - 1].id if len(rows) > limit else None,
        )

    @router.get(f"{base}/{{kind}}/{{failure_id}}")
    async def get_failure(
        kind: Kind, failure_id: FailureId, call: Annotated[Call, access("failures:read")]
    ) -> FailureDetailOut:
        row = await failures.get_failure(call.tx, kind, failure_id)
        if row is None:
            raise NotFound("failure", failure_id)
        facts = {
            **row._asdict(),
            "kind": kind,
            "reason": getattr(row, "reason", "waits for something not known here yet"),
            "since": row.died_at if kind == "dead" else row.parked_at,
            "size_bytes": None if row.value is None else len(row.value),
            "type": row.headers.get("ce_type"),
            "body": None if row.value is None else row.value.decode("utf-8", "replace"),
            "state": getattr(row, "state", "parked"),
        }
        return FailureDetailOut.model_validate(facts)

    @router.post(f"{base}/{{act}}")
    async def act_on_failures(
        act: Literal["replay", "discard"],
        body: FailuresIn,
        call: Annotated[Call, access("failures:write")],
    ) -> ResolvedOut:
        """Have failures handled again, or give them up. Repeating it changes nothing."""
        verb = failures.replay if act == "replay" else failures.discard
        async with call.tx.attempt():
            by = call.caller.subject
            done = await verb(call.tx, body.kind, body.ids, now=call.now, by=by)
            acts = [Act(f"failure.{act}", f"{body.kind} message", str(i)) for i in done]
            await record(call.tx, by, acts, now=call.now, new_id=call.new_id)
            if body.dry_run:
                raise RolledBack
        return ResolvedOut(
            resolved=done,
            passed_over=[i for i in dict.fromkeys(body.ids) if i not in set(done)],
            dry_run=body.dry_run,
        )

    return router


def _facts(row: Any) -> dict[str, Any]:
    return {**row._asdict(), "type": row.headers.get("ce_type")}
