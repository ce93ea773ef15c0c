"""Documents to be drawn, and where the drawn ones are."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.billing import tables as t
from shared.clock import NewId
from shared.database import Tx, insert_rows

__all__ = ["add_documents", "get_document"]


async def add_documents(
    tx: Tx, invoice_ids: Iterable[UUID], *, now: datetime, new_id: NewId
) -> None:
    await insert_rows(
        tx,
        t.documents,
        [
            {
                "id": new_id(),
                "state": "due",
                "attempts": 0,
                "next_at": now,
                "invoice_id": invoice_id,
                "kind": "invoice",
            }
            for invoice_id in invoice_ids
        ],
    )


async def get_document(tx: Tx, invoice_id: UUID) -> Any:
    query = select(t.documents).where(
        t.documents.c.invoice_id == invoice_id, t.documents.c.kind == "invoice"
    )
    return (await tx.execute(query)).one_or_none()
