"""From a draft to an open invoice, on the path of all others; a corrected one goes void with it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.billing import repository
from services.billing.domain.amending import void
from services.billing.domain.draft import Draft, finalize
from services.billing.domain.invoice import Invoice
from services.billing.domain.numbering import invoice_series
from services.billing.use_cases.announcements import voided_event
from services.billing.use_cases.balances import Books, lock_books, open_with_credit
from services.billing.use_cases.dispatch import issue_cancellations
from services.billing.use_cases.drafts import facts_of
from services.billing.use_cases.locking import lock_draft, lock_invoice
from services.billing.use_cases.payments import point_to_replacement, return_credit
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict
from shared.events import Event
from shared.money import Money

__all__ = ["FinalizeDraft", "finalize_draft"]


@dataclass(frozen=True, slots=True)
class FinalizeDraft:
    """`expected_total`: what the operator was shown, incl. VAT."""

    draft_id: UUID
    expected_version: int | None
    expected_total: Money | None
    by: str


async def finalize_draft(
    tx: Tx, command: FinalizeDraft, *, now: datetime, new_id: NewId
) -> Invoice:
    """Number a draft and open it; what it corrects becomes void, and its lines move over.

    Raises:
        NotFound, PreconditionFailed: see `lock_draft`.
        InputInvalid: it cannot be priced today.
        Conflict: it is no draft, has another total than was shown, or nothing to invoice; or what
            it corrects has payments or credit notes, or is not open any more.
    """
    draft = await lock_draft(tx, command.draft_id, expected_version=command.expected_version)
    facts = await facts_of(tx, draft.customer_id, now=now)
    draft = facts.price(draft)
    _refuse_another_total(draft, command.expected_total)
    old = await _corrected(tx, draft)
    slot = draft.customer_id, draft.currency
    books = await lock_books(tx, [slot], used_by=[old.id] if old else [])
    events = await _take_place(tx, old, draft, books, now=now, new_id=new_id) if old else []
    # Last of all locks: everybody who finalises waits for this row.
    series = invoice_series(facts.settings)
    first, invoice_date = await repository.take_numbers(tx, series, facts.today, 1)
    invoice, told = open_with_credit(
        finalize(
            draft,
            request_id=old.request_id if old else None,
            number=series.text(facts.today, first),
            invoice_date=invoice_date,
            now=now,
        ),
        books,
        now=now,
        new_id=new_id,
    )
    await repository.open_draft(tx, invoice)
    await repository.add_documents(tx, [invoice], now=now, new_id=new_id)
    await books.save(tx)
    act = Act(
        "invoice.finalize",
        "invoice",
        invoice.id,
        invoice.customer_id,
        {"state": str(draft.state)},
        {
            "state": str(invoice.state),
            "number": invoice.number,
            "total": invoice.money(invoice.total_minor).to_dict(),
            **({"corrects": old.number} if old else {}),
        },
    )
    await record(tx, command.by, [act], [*events, *told], now=now, new_id=new_id)
    return invoice


def _refuse_another_total(draft: Draft, expected: Money | None) -> None:
    total = draft.money(draft.total_minor)
    if expected not in {None, total}:
        raise Conflict(
            "amount_changed",
            f"The total is {total.currency} {total.amount} now; look at it again.",
            total=total.to_dict(),
        )


async def _corrected(tx: Tx, draft: Draft) -> Invoice | None:
    if draft.corrects is None:
        return None
    old = await lock_invoice(tx, draft.corrects)
    await point_to_replacement(tx, old, "corrected")
    return old


async def _take_place(
    tx: Tx, old: Invoice, draft: Draft, books: Books, *, now: datetime, new_id: NewId
) -> list[Event]:
    voided = void(old, now=now, replaced_by=draft.id)
    # Before the draft gets its request, which only one invoice may have that is not replaced.
    await repository.save_invoices(tx, [voided])
    await issue_cancellations(tx, [voided], now=now, new_id=new_id)
    return [
        voided_event(voided),
        *await return_credit(tx, voided, books, now=now, new_id=new_id),
    ]
