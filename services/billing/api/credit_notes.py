from typing import Annotated
from uuid import UUID

from services.billing import repository, schemas
from services.billing.api.shapes import credit_note_out, found_bill, invoice_out
from services.billing.use_cases import credit_notes
from services.billing.use_cases.credit_notes import CreditInvoice
from shared.auth import Call, access
from shared.database import RolledBack
from shared.http import new_router

__all__ = ["router"]

router = new_router()


@router.get("/invoices/{invoice_id}/credit-notes")
async def list_credit_notes(
    invoice_id: UUID, call: Annotated[Call, access("invoices:read", per_customer=True)]
) -> schemas.CreditNotesOut:
    """The oldest first."""
    await found_bill(call, invoice_id)
    found = await repository.get_credit_notes(call.tx, invoice_id)
    return schemas.CreditNotesOut(items=[credit_note_out(note) for note in found])


@router.post("/invoices/{invoice_id}/credit-notes", status_code=201)
async def credit_invoice(
    invoice_id: UUID,
    body: schemas.CreditNoteIn,
    call: Annotated[Call, access("invoices:write", per_customer=True)],
    dry_run: bool = False,
) -> schemas.CreditResultOut:
    """Credit an invoice wholly, or lines of it; with `dry_run` only say what would come of it.

    It lowers what is owed; what is above that becomes credit of the customer.
    """
    lines = None if body.lines is None else [(line.position, line.amount) for line in body.lines]
    async with call.tx.attempt():
        invoice, note = await credit_notes.credit_invoice(
            call.tx,
            CreditInvoice(
                invoice_id=invoice_id,
                lines=lines,
                reason=body.reason,
                by=call.caller.subject,
                seen=call.caller.customer_ids,
            ),
            now=call.now,
            new_id=call.new_id,
        )
        if dry_run:
            raise RolledBack
    return schemas.CreditResultOut(
        credit_note=credit_note_out(note), invoice=invoice_out(invoice, call.now)
    )
