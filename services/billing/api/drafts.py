from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from services.billing import schemas
from services.billing.api.shapes import answer, as_it_is_read
from services.billing.domain import draft as domain
from services.billing.domain.draft import Change, Draft
from services.billing.domain.invoice import InvoiceLine
from services.billing.use_cases import drafts, finalizing
from services.billing.use_cases.finalizing import FinalizeDraft
from shared.auth import Call, access
from shared.database import RolledBack
from shared.errors import InputInvalid
from shared.etags import ExpectedVersion
from shared.http import new_router
from shared.periods import Period

__all__ = ["router"]

router = new_router()

# Not per customer: to callers for certain customers there are no drafts.
Writing = Annotated[Call, access("invoices:write")]


@router.post("/invoices", status_code=201, response_model=schemas.InvoiceOut)
async def create_draft(body: schemas.NewDraftIn, call: Writing, dry_run: bool = False) -> Response:
    """Begin an invoice by hand; with `dry_run` only say what it would come to."""
    lines = tuple(_line(line) for line in body.lines)

    def write(empty: Draft) -> Draft:
        return replace(empty, **_written(body, empty), lines=lines)

    async with call.tx.attempt():
        made = await drafts.create_draft(
            call.tx,
            body.customer_id,
            body.currency,
            write,
            by=call.caller.subject,
            now=call.now,
            new_id=call.new_id,
        )
        if dry_run:
            raise RolledBack
    return answer(made, call.now, 201)


@router.put("/invoices/{invoice_id}", response_model=schemas.InvoiceOut)
async def replace_draft(
    invoice_id: UUID,
    body: schemas.DraftIn,
    call: Writing,
    expected: ExpectedVersion,
    dry_run: bool = False,
) -> Response:
    """Write the whole draft anew; with `dry_run` only say what it would come to.

    With `If-Match`, only when nobody else was faster: 412 has `current`.
    """

    def write(draft: Draft) -> Draft:
        if body.customer_id not in {None, draft.customer_id}:
            raise InputInvalid("customer_id", "cannot change; make a draft for the other customer")
        if body.currency not in {None, draft.currency} and draft.lines:
            raise InputInvalid("currency", f"must be {draft.currency}, as long as there are lines")
        lines = domain.with_lines(draft, [(line.position, _line(line)) for line in body.lines])
        return replace(
            draft,
            **_written(body, draft),
            currency=body.currency or draft.currency,
            lines=lines,
        )

    return answer(await _edit(call, invoice_id, write, expected, dry_run=dry_run), call.now)


@router.post("/invoices/{invoice_id}/lines", status_code=201, response_model=schemas.InvoiceOut)
async def add_line(
    invoice_id: UUID, body: schemas.LineIn, call: Writing, expected: ExpectedVersion
) -> Response:
    """Add a line at the end of a draft."""
    line = _line(body)
    edited = await _edit(call, invoice_id, lambda draft: domain.with_line(draft, line), expected)
    return answer(edited, call.now, 201)


@router.patch("/invoices/{invoice_id}/lines/{position}", response_model=schemas.InvoiceOut)
async def change_line(
    invoice_id: UUID,
    position: int,
    body: schemas.LinePatch,
    call: Writing,
    expected: ExpectedVersion,
) -> Response:
    """Change some fields of a line of a draft."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    if body.period:
        changes["period"] = Period(body.period.start, body.period.end)
    edited = await _edit(
        call,
        invoice_id,
        lambda draft: domain.with_line_changed(draft, position, changes),
        expected,
    )
    return answer(edited, call.now)


@router.delete("/invoices/{invoice_id}/lines/{position}", response_model=schemas.InvoiceOut)
async def remove_line(
    invoice_id: UUID, position: int, call: Writing, expected: ExpectedVersion
) -> Response:
    """Take a line out of a draft; those after it move up."""
    edited = await _edit(
        call, invoice_id, lambda draft: domain.without_line(draft, position), expected
    )
    return answer(edited, call.now)


@router.post("/invoices/{invoice_id}/lines/order", response_model=schemas.InvoiceOut)
async def order_lines(
    invoice_id: UUID, body: schemas.OrderIn, call: Writing, expected: ExpectedVersion
) -> Response:
    """Put the lines of a draft in another order."""
    edited = await _edit(
        call, invoice_id, lambda draft: domain.with_order(draft, body.positions), expected
    )
    return answer(edited, call.now)


@router.post("/invoices/{invoice_id}/finalize", response_model=schemas.InvoiceOut)
async def finalize_draft(
    invoice_id: UUID,
    call: Writing,
    expected: ExpectedVersion,
    body: schemas.FinalizeIn | None = None,
    dry_run: bool = False,
) -> Response:
    """Number a draft and open it; what it corrects becomes void. It is mailed when it is sent.

    With `dry_run` only say what would come of it: without a number, which nobody can foretell.
    """
    command = FinalizeDraft(
        invoice_id, expected, body.expected_total if body else None, call.caller.subject
    )
    with as_it_is_read(call.now):
        async with call.tx.attempt():
            opened = await finalizing.finalize_draft(
                call.tx, command, now=call.now, new_id=call.new_id
            )
            if dry_run:
                raise RolledBack
    return answer(replace(opened, number="") if dry_run else opened, call.now)


@router.post("/invoices/{invoice_id}/correct", status_code=201, response_model=schemas.InvoiceOut)
async def correct_invoice(invoice_id: UUID, call: Writing) -> Response:
    """Make a draft of an unpaid invoice, which stays as it is until that is finalised."""
    made = await drafts.correct_invoice(
        call.tx, invoice_id, by=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return answer(made, call.now, 201)


async def _edit(
    call: Call, invoice_id: UUID, change: Change, expected: int | None, *, dry_run: bool = False
) -> Draft:
    with as_it_is_read(call.now):
        async with call.tx.attempt():
            edited = await drafts.edit_draft(
                call.tx,
                invoice_id,
                change,
                expected_version=expected,
                by=call.caller.subject,
                now=call.now,
                new_id=call.new_id,
            )
            if dry_run:
                raise RolledBack
    return edited


def _written(body: schemas.NewDraftIn | schemas.DraftIn, draft: Draft) -> dict[str, Any]:
    """The fields of a draft that a body says; the language is the customer's unless it does."""
    return {
        "title": body.title,
        "language": body.language or draft.buyer["language"],
        "due_date": body.due_date,
        "addressee": _addressee(body.addressee),
        "tax_treatment": body.tax_treatment or "standard",
        "tax_treatment_reason": body.tax_treatment_reason or None,
    }


def _addressee(given: schemas.AddresseeIn | None) -> Mapping[str, Any] | None:
    if given is None:
        return None
    note = {} if given.billing_note is None else {"billing_note": given.billing_note}
    return {
        "billing_name": given.name,
        "contact_name": given.contact_name,
        "billing_address": list(given.address_lines),
        **note,
    }


def _line(body: schemas.LineIn) -> InvoiceLine:
    """A line that is nobody's booking; position, rate and total come with the pricing."""
    return InvoiceLine(
        position=0,
        title=body.title,
        description=body.description,
        explanation="",
        quantity=body.quantity,
        unit=body.unit,
        unit_price=body.unit_price,
        basis=body.basis,
        discount_percent=body.discount_percent,
        vat_category=body.vat_category,
        vat_percent=Decimal(0),
        total_minor=0,
        period=Period(body.period.start, body.period.end) if body.period else None,
    )
