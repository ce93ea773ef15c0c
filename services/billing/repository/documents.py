"""Documents to be drawn, and where the drawn ones are."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing import tables as t
from services.billing.domain.invoice import Invoice
from services.billing.domain.paper import Paper, original_of
from shared.clock import NewId
from shared.database import Tx, insert_rows
from shared.due_work import due_now

__all__ = ["add_documents", "add_drawn", "add_papers", "get_document", "redraw"]

_ONCE = "ON CONFLICT (subject_id, kind, edition) DO NOTHING"


async def add_documents(
    tx: Tx, invoices: Iterable[Invoice], *, now: datetime, new_id: NewId
) -> None:
    await add_papers(tx, [original_of(invoice) for invoice in invoices], now=now, new_id=new_id)


async def add_papers(tx: Tx, papers: Sequence[Paper], *, now: datetime, new_id: NewId) -> None:
    """Have these drawn; one that is there already stays as it is."""
    rows = [_row(new_id(), paper, now) for paper in papers]
    await insert_rows(tx, t.documents, rows, on_conflict=_ONCE)


async def add_drawn(
    tx: Tx, document_id: UUID, paper: Paper, *, key: str, digest: str, size: int, now: datetime
) -> None:
    """Write down where one is that was drawn for somebody who asked for it."""
    row = _row(document_id, paper, now) | {
        "state": "stored",
        "storage_key": key,
        "sha256": digest,
        "size_bytes": size,
        "stored_at": now,
    }
    await insert_rows(tx, t.documents, [row], on_conflict=_ONCE)


async def get_document(tx: Tx, paper: Paper) -> Any:
    """Where a document is; None when nobody has asked for it yet."""
    query = "SELECT * FROM documents WHERE subject_id = $1 AND kind = $2 AND edition = $3"
    found = await tx.fetch(query, paper.subject_id, paper.kind, paper.edition)
    return found[0] if found else None


async def redraw(tx: Tx, document_id: UUID, *, now: datetime) -> None:
    """Try once more what could not be drawn."""
    query = (
        "UPDATE documents SET state = 'due', attempts = 0, next_at = $2 "
        "WHERE id = $1 AND state = 'failed'"
    )
    await tx.run(query, document_id, now)


def _row(document_id: UUID, paper: Paper, now: datetime) -> dict[str, Any]:
    return {
        "id": document_id,
        **due_now(str(paper.customer_id), now),
        "invoice_id": paper.invoice_id,
        "subject_id": paper.subject_id,
        "kind": paper.kind,
        "edition": paper.edition,
    }
