"""Drafts: made by hand or of an invoice that needs correcting, edited, thrown away."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.billing import repository
from services.billing.domain.draft import (
    Change,
    Draft,
    correction_of,
    finalize,
    priced,
    refuse_past_due_date,
)
from services.billing.domain.invoice import Invoice
from services.billing.use_cases.locking import lock_draft, lock_invoice
from services.billing.use_cases.payments import point_to_replacement
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict, InputInvalid
from shared.events.billing import SettingsChanged
from shared.periods import local_date

__all__ = [
    "Facts",
    "correct_invoice",
    "create_draft",
    "delete_draft",
    "edit_draft",
    "facts_of",
    "preview",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a draft is priced by: the customer and the seller's settings as they are today."""

    customer: Mapping[str, Any]
    settings: SettingsChanged
    today: date

    def price(self, draft: Draft) -> Draft:
        return priced(draft, self.customer, self.settings, self.today)

    def edit(self, draft: Draft, change: Change) -> Draft:
        """Change a draft and price it anew.

        Raises:
            InputInvalid: see `refuse_past_due_date`, `priced`, and the change.
        """
        changed = change(draft)
        refuse_past_due_date(draft, changed, self.today)
        return self.price(changed)


async def facts_of(tx: Tx, customer_id: UUID, *, now: datetime) -> Facts:
    """Lock the customer, and say what a draft for it is priced by.

    Raises:
        InputInvalid: there is no such customer, or it was erased.
        Conflict: the seller's settings have not been saved yet.
    """
    customer = (await repository.lock_customers(tx, [customer_id])).get(customer_id)
    if customer is None:
        raise InputInvalid("customer_id", "must be a customer")
    if customer.get("status") == "erased":
        raise InputInvalid("customer_id", "was erased")
    settings = await repository.get_seller(tx)
    if settings is None:
        raise Conflict("settings_missing", "The seller's settings have not been saved yet.")
    return Facts(customer, settings, local_date(now, settings.time_zone))


async def create_draft(
    tx: Tx,
    customer_id: UUID,
    currency: str | None,
    change: Change,
    *,
    by: str,
    now: datetime,
    new_id: NewId,
) -> Draft:
    """A new draft, with what `change` writes into it.

    Raises:
        InputInvalid, Conflict: see `facts_of` and `Facts.edit`.
    """
    facts = await facts_of(tx, customer_id, now=now)
    empty = Draft(
        id=new_id(),
        customer_id=customer_id,
        version=1,
        title="",
        currency=currency or facts.customer["currency"],
        language=facts.customer["language"],
        tax_treatment="standard",
        subtotal_minor=0,
        vat_minor=0,
        rounding_minor=0,
        total_minor=0,
        vat=(),
        seller={},
        buyer=facts.customer,
        lines=(),
    )
    draft = facts.edit(empty, change)
    await repository.add_draft(tx, draft, now=now)
    await _note(tx, "invoice.draft", None, draft, by=by, now=now, new_id=new_id)
    return draft


async def edit_draft(
    tx: Tx,
    draft_id: UUID,
    change: Change,
    *,
    expected_version: int | None,
    by: str,
    now: datetime,
    new_id: NewId,
) -> Draft:
    """Change a draft, and price it anew.

    Raises:
        NotFound, Conflict, PreconditionFailed: see `lock_draft`.
        InputInvalid: see `Facts.edit`.
    """
    draft = await lock_draft(tx, draft_id, expected_version=expected_version)
    facts = await facts_of(tx, draft.customer_id, now=now)
    changed = facts.edit(replace(draft, version=draft.version + 1), change)
    await repository.save_draft(tx, changed)
    await _note(tx, "invoice.edit", draft, changed, by=by, now=now, new_id=new_id)
    return changed


async def correct_invoice(
    tx: Tx, invoice_id: UUID, *, by: str, now: datetime, new_id: NewId
) -> Draft:
    """A draft that takes the place of an unpaid invoice once it is finalised.

    Raises:
        NotFound: no such invoice.
        Conflict: it is a draft, was replaced, or has payments or credit notes.
    """
    invoice = await lock_invoice(tx, invoice_id)
    await point_to_replacement(tx, invoice, "corrected")
    facts = await facts_of(tx, invoice.customer_id, now=now)
    draft = facts.price(correction_of(invoice, draft_id=new_id(), today=facts.today))
    await repository.add_draft(tx, draft, now=now)
    await _note(
        tx, "invoice.correct", None, draft, by=by, now=now, new_id=new_id, corrects=invoice.number
    )
    return draft


async def delete_draft(tx: Tx, draft: Draft, *, by: str, now: datetime, new_id: NewId) -> None:
    """Throw a locked draft away; it never was anything to anybody else."""
    await repository.delete_draft(tx, draft.id)
    await _note(tx, "invoice.delete", draft, None, by=by, now=now, new_id=new_id)


def preview(draft: Draft, facts: Facts, *, now: datetime) -> Invoice:
    """The invoice that a draft would become now, without a number.

    Raises:
        InputInvalid, Conflict: see `priced` and `finalize`.
    """
    return finalize(
        facts.price(draft), request_id=None, number="", invoice_date=facts.today, now=now
    )


async def _note(
    tx: Tx,
    action: str,
    before: Draft | None,
    after: Draft | None,
    *,
    by: str,
    now: datetime,
    new_id: NewId,
    **more: str,
) -> None:
    about = after or before
    if about is None:
        raise ValueError("nothing was before, and nothing is after")
    was, now_is = (None if draft is None else _facts(draft) for draft in (before, after))
    if now_is is not None:
        now_is |= more
    act = Act(action, "invoice", about.id, about.customer_id, was, now_is)
    await record(tx, by, [act], now=now, new_id=new_id)


def _facts(draft: Draft) -> dict[str, Any]:
    """Without texts, which may name people."""
    return {
        "state": str(draft.state),
        "version": draft.version,
        "lines": len(draft.lines),
        "total": draft.money(draft.total_minor).to_dict(),
    }
