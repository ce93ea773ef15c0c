"""What an operator does to a finalised invoice: delete it, or give more time to pay."""

from datetime import date, datetime
from uuid import UUID

from services.billing import repository
from services.billing.domain.amending import change_due_date
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from services.billing.use_cases.announcements import due_date_changed_event
from services.billing.use_cases.drafts import delete_draft
from services.billing.use_cases.locking import check_version, lock_invoice
from services.billing.use_cases.payments import void_invoice
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import NotFound
from shared.periods import local_date

__all__ = ["delete_invoice", "extend_due_date"]


async def delete_invoice(
    tx: Tx,
    invoice_id: UUID,
    *,
    expected_version: int | None = None,
    by: str,
    now: datetime,
    new_id: NewId,
) -> Invoice | None:
    """Throw a draft away; an unpaid invoice becomes void and leaves the lists.

    Returns what is left of it.

    Raises:
        NotFound: there is no such thing.
        PreconditionFailed: it is not at `expected_version` any more.
        Conflict: it has payments or credit notes, or is void already.
    """
    bill = await repository.lock_bill(tx, invoice_id)
    if bill is None:
        raise NotFound("invoice", invoice_id)
    check_version(bill, expected_version)
    if isinstance(bill, Draft):
        await delete_draft(tx, bill, by=by, now=now, new_id=new_id)
        return None
    return await void_invoice(
        tx, invoice_id, actor=by, seen=None, now=now, new_id=new_id, hidden=True
    )


async def extend_due_date(
    tx: Tx,
    invoice_id: UUID,
    due_date: date,
    *,
    reason: str,
    by: str,
    now: datetime,
    new_id: NewId,
) -> Invoice:
    """Let an open invoice be due on another day; the same day changes nothing.

    Raises:
        NotFound: no such invoice.
        InputInvalid, Conflict: see `change_due_date`.
    """
    invoice = await lock_invoice(tx, invoice_id)
    today = local_date(now, invoice.seller["time_zone"])
    changed = change_due_date(invoice, due_date, today=today)
    if due_date == invoice.due_date:
        return invoice
    await repository.save_invoices(tx, [changed])
    act = Act(
        "invoice.change_due_date",
        "invoice",
        invoice.id,
        invoice.customer_id,
        {"due_date": str(invoice.due_date)},
        {"due_date": str(changed.due_date), "reason": reason},
    )
    event = due_date_changed_event(invoice, changed)
    await record(tx, by, [act], [event], now=now, new_id=new_id)
    return changed
