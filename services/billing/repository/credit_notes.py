"""Credit notes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.billing import tables as t
from services.billing.domain.credit import CreditedLine, CreditNote
from services.billing.domain.invoice import Invoice
from shared.database import Seen, Tx, insert_rows, update_rows

__all__ = [
    "add_credit_notes",
    "get_credit_note",
    "get_credit_notes",
    "get_credited_requests",
    "save_credited_lines",
]


async def add_credit_notes(tx: Tx, notes: Sequence[CreditNote]) -> None:
    await insert_rows(
        tx,
        t.credit_notes,
        [
            {
                "id": note.id,
                "customer_id": note.customer_id,
                "invoice_id": note.invoice_id,
                "number": note.number,
                "currency": note.currency,
                "issued_on": note.issued_on,
                "cause": note.cause,
                "reason": note.reason,
                "request_id": note.request_id,
                "vat": [dict(row) for row in note.vat],
                "vat_minor": note.vat_minor,
                "rounding_minor": note.rounding_minor,
                "total_minor": note.total_minor,
                "to_balance_minor": note.to_balance_minor,
                "created_at": note.created_at,
                "created_by": note.created_by,
            }
            for note in notes
        ],
    )
    await insert_rows(
        tx,
        t.credit_note_lines,
        [
            {
                "credit_note_id": note.id,
                "position": line.position,
                "amount_minor": line.amount_minor,
                "explanation": line.explanation,
            }
            for note in notes
            for line in note.lines
        ],
    )


async def save_credited_lines(tx: Tx, invoices: Iterable[Invoice]) -> None:
    """Write what is credited of the lines of these invoices."""
    await update_rows(
        tx,
        t.invoice_lines,
        [
            {
                "invoice_id": invoice.id,
                "position": line.position,
                "credited_minor": line.credited_minor,
            }
            for invoice in invoices
            for line in invoice.lines
        ],
        key=("invoice_id", "position"),
    )


async def get_credited_requests(tx: Tx, request_ids: Sequence[UUID]) -> set[UUID]:
    """Which requests for credit have become credit notes already."""
    query = "SELECT request_id FROM credit_notes WHERE request_id = ANY($1) AND cause = 'request'"
    return {row.request_id for row in await tx.fetch(query, request_ids)}


async def get_credit_notes(tx: Tx, invoice_id: UUID) -> list[CreditNote]:
    """Those of an invoice, the oldest first."""
    query = "SELECT * FROM credit_notes WHERE invoice_id = $1 ORDER BY created_at, id"
    return await _with_lines(tx, await tx.fetch(query, invoice_id))


async def get_credit_note(tx: Tx, note_id: UUID, *, seen: Seen = None) -> CreditNote | None:
    query = (
        "SELECT * FROM credit_notes WHERE id = $1 AND ($2::uuid[] IS NULL OR customer_id = ANY($2))"
    )
    found = await _with_lines(tx, await tx.fetch(query, note_id, seen))
    return found[0] if found else None


async def _with_lines(tx: Tx, rows: Sequence[Any]) -> list[CreditNote]:
    lines = defaultdict(list)
    query = (
        "SELECT * FROM credit_note_lines WHERE credit_note_id = ANY($1) "
        "ORDER BY credit_note_id, position"
    )
    for line in await tx.fetch(query, [row.id for row in rows]):
        lines[line.credit_note_id].append(line)
    return [_credit_note(row, lines[row.id]) for row in rows]


def _credit_note(row: Any, lines: Iterable[Any]) -> CreditNote:
    return CreditNote(
        id=row.id,
        customer_id=row.customer_id,
        invoice_id=row.invoice_id,
        number=row.number,
        currency=row.currency,
        issued_on=row.issued_on,
        cause=row.cause,
        reason=row.reason,
        request_id=row.request_id,
        lines=tuple(CreditedLine(r.position, r.amount_minor, r.explanation) for r in lines),
        vat=tuple(row.vat),
        vat_minor=row.vat_minor,
        rounding_minor=row.rounding_minor,
        total_minor=row.total_minor,
        to_balance_minor=row.to_balance_minor,
        created_at=row.created_at,
        created_by=row.created_by,
    )
