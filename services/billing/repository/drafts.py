"""Drafts, from the first line until they are finalised or deleted."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing import tables as t
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from services.billing.repository.invoices import (
    add_titles,
    bill_row,
    final_row,
    line_row,
    with_lines,
)
from shared.database import Tx, insert_rows, update_rows

__all__ = ["add_draft", "delete_draft", "delete_drafts_of", "lock_bill", "open_draft", "save_draft"]

_LOCK = (
    "WITH locked AS MATERIALIZED (SELECT id FROM customers WHERE id = "
    "(SELECT customer_id FROM invoices WHERE id = $1) FOR UPDATE) "
    "SELECT i.* FROM invoices i JOIN locked ON locked.id = i.customer_id "
    "WHERE i.id = $1 FOR UPDATE OF i"
)
# A title that only this draft had may say something about a person.
_FORGET_TITLES = (
    "DELETE FROM invoice_titles WHERE id = ANY($1) "
    "AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.title_id = invoice_titles.id)"
)
_NOTHING = dict.fromkeys(
    ("paid_minor", "credited_minor", "credit_used_minor", "surplus_minor", "settlement"), 0
)


def _row(draft: Draft) -> dict[str, Any]:
    return {
        **bill_row(draft),
        "tax_treatment_reason": draft.tax_treatment_reason,
        "addressee": None if draft.addressee is None else dict(draft.addressee),
        "corrects": draft.corrects,
    }


async def add_draft(tx: Tx, draft: Draft, *, now: datetime) -> None:
    row = {**_row(draft), **_NOTHING, "created_at": now}
    await insert_rows(tx, t.invoices, [row])
    await add_titles(tx, [draft.title])
    await _add_lines(tx, draft)


async def lock_bill(tx: Tx, bill_id: UUID) -> Invoice | Draft | None:
    """Lock the customer of a draft or an invoice, and then this."""
    found = await with_lines(tx, await tx.fetch(_LOCK, bill_id))
    return found[0] if found else None


async def save_draft(tx: Tx, draft: Draft) -> None:
    await update_rows(tx, t.invoices, [_row(draft)])
    await add_titles(tx, [draft.title])
    await _replace_lines(tx, draft)


async def open_draft(tx: Tx, invoice: Invoice) -> None:
    """Write what a draft has become; from here on the database refuses to change it."""
    await _replace_lines(tx, invoice)
    await tx.flush()
    await update_rows(tx, t.invoices, [final_row(invoice)])


async def delete_draft(tx: Tx, draft_id: UUID) -> None:
    await tx.run("DELETE FROM invoice_lines WHERE invoice_id = $1", draft_id)
    gone = await tx.fetch("DELETE FROM invoices WHERE id = $1 RETURNING title_id", draft_id)
    await tx.run(_FORGET_TITLES, [row.title_id for row in gone])


async def delete_drafts_of(tx: Tx, customer_ids: list[UUID]) -> None:
    """Of who is erased; invoices stay, as the law wants it."""
    drafts = "SELECT id FROM invoices WHERE customer_id = ANY($1) AND state = 'draft'"
    rows = await tx.fetch(drafts, customer_ids)
    for row in rows:
        await delete_draft(tx, row.id)


async def _replace_lines(tx: Tx, bill: Invoice | Draft) -> None:
    await tx.run("DELETE FROM invoice_lines WHERE invoice_id = $1", bill.id)
    await _add_lines(tx, bill)


async def _add_lines(tx: Tx, bill: Invoice | Draft) -> None:
    await insert_rows(tx, t.invoice_lines, [line_row(bill.id, line) for line in bill.lines])
