"""Documents to be drawn, and where the drawn ones are."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.billing import tables as t
from services.billing.domain.invoice import Invoice
from shared.clock import NewId
from shared.database import Tx, insert_rows
from shared.due_work import due_now

__all__ = ["add_documents", "get_document"]


async def add_documents(
    tx: Tx, invoices: Iterable[Invoice], *, now: datetime, new_id: NewId
) -> None:
    await insert_rows(
        tx,
        t.documents,
        [
            {
                "id": new_id(),
                **due_now(str(invoice.customer_id), now),
                "invoice_id": invoice.id,
                "kind": "invoice",
            }
            for invoice in invoices
        ],
    )


async def get_document(tx: Tx, invoice_id: UUID) -> Any:
    query = select(t.documents).where(
        t.documents.c.invoice_id == invoice_id, t.documents.c.kind == "invoice"
    )
    return (await tx.execute(query)).one_or_none()
