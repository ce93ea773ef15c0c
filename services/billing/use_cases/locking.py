"""Finding and locking the one invoice that a request is about."""

from uuid import UUID

from services.billing import repository
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from shared.database import Seen, Tx
from shared.errors import Conflict, NotFound, PreconditionFailed

__all__ = ["check_version", "lock_draft", "lock_invoice"]


async def lock_invoice(tx: Tx, invoice_id: UUID, *, seen: Seen = None) -> Invoice:
    """A finalised invoice, locked with its customer.

    Raises:
        NotFound: no such invoice.
        Conflict: it is a draft.
    """
    invoice = (await repository.lock_invoices(tx, [invoice_id], seen=seen)).get(invoice_id)
    if invoice:
        return invoice
    if await repository.get_bill(tx, invoice_id, seen=seen):
        raise Conflict("invoice_draft", "This is a draft; finalise it first.")
    raise NotFound("invoice", invoice_id)


async def lock_draft(tx: Tx, draft_id: UUID, *, expected_version: int | None = None) -> Draft:
    """A draft, locked with its customer.

    Raises:
        NotFound: no such draft.
        Conflict: it is finalised.
        PreconditionFailed: it is not at `expected_version` any more.
    """
    bill = await repository.lock_bill(tx, draft_id)
    if bill is None:
        raise NotFound("invoice", draft_id)
    if isinstance(bill, Invoice):
        raise Conflict(
            f"invoice_{bill.state}",
            f"Invoice {bill.number} is {bill.state}, and no draft: correct it instead.",
            way_out="correct",
        )
    check_version(bill, expected_version)
    return bill


def check_version(bill: Invoice | Draft, expected: int | None) -> None:
    """Refuse when somebody was faster than who expects this version.

    Raises:
        PreconditionFailed: with the present state.
    """
    if expected not in {None, bill.version}:
        raise PreconditionFailed(
            "version_changed",
            f"Somebody changed it meanwhile; it is at version {bill.version} now.",
            version=bill.version,
            current=bill,
        )
