"""Who did what: an append-only log beside the change itself, in the same transaction.

A trigger refuses to change or delete rows, and the service's role has no right to (each service's
migrations see to both). Secrets are never written; what is personal, only by the service that owns
it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from shared.clock import NewId
from shared.correlation import correlation
from shared.database import Tx, insert_rows
from shared.events import Event
from shared.messaging.outbox import publish
from shared.messaging.tables import metadata
from shared.paging import fetch_page

__all__ = ["Act", "audit", "list_acts", "record"]

audit = Table(
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("customer_id", Uuid),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("request_id", Text),
    Index("ix_audit_at_id", "at", "id"),
    Index("ix_audit_customer_id_at_id", "customer_id", "at", "id"),
    Index("ix_audit_target_id_at_id", "target_id", "at", "id"),
)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing somebody did, such as `invoice.void` to an `invoice`.

    `before` and `after` hold what changed, as JSON.
    """

    action: str
    target: str
    target_id: UUID | str
    customer_id: UUID | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def record(
    tx: Tx,
    actor: str,
    acts: Sequence[Act],
    events: Sequence[Event] = (),
    *,
    now: datetime,
    new_id: NewId,
) -> None:
    """Write down what `actor` did, and publish what others are told of it."""
    request = correlation()
    rows = [
        {
            "id": new_id(),
            "at": now,
            "actor": actor,
            "action": act.action,
            "target": act.target,
            "target_id": str(act.target_id),
            "customer_id": act.customer_id,
            "before": act.before,
            "after": act.after,
            "request_id": request.request_id if request else None,
        }
        for act in acts
    ]
    await insert_rows(tx, audit, rows)
    await publish(tx, events, now=now, new_id=new_id)


async def list_acts(
    tx: Tx,
    *,
    customer_id: UUID | None,
    target_id: str | None,
    after: str | None,
    limit: int,
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    query = select(audit)
    if customer_id:
        query = query.where(audit.c.customer_id == customer_id)
    if target_id:
        query = query.where(audit.c.target_id == target_id)
    return await fetch_page(tx, query, (audit.c.at, audit.c.id), after, limit)
