"""The invoice editor: a draft, new or stored, and what it comes to while it is written."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.console.desk import Desk, Form, Posted, Signed
from services.console.gateways import Panel, Refused, together
from services.console.places import choices
from services.console.sheets import (
    TREATMENTS,
    Sheet,
    blank_sheet,
    body_of,
    errors_of,
    label_of,
    line_totals,
    read_sheet,
    rearranged,
    sheet_of,
)
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter()

_DRY = {"dry_run": "true"}
_SAVING = {"save", "finalize"}


@router.get("/customers/{customer_id}/invoices/new")
async def show_new_invoice(customer_id: UUID, desk: Signed) -> Response:
    desk.need("invoices:write")
    customer = await desk.customers.get(f"/customers/{customer_id}")
    sheet = blank_sheet(customer["currency"], customer["language"])
    return await _editor(desk, customer_id, sheet)


@router.post("/customers/{customer_id}/invoices/new")
async def write_new_invoice(customer_id: UUID, desk: Signed, form: Posted) -> Response:
    sheet = rearranged(read_sheet(form), form["act"])
    if form["act"] not in _SAVING:
        return await _editor(desk, customer_id, sheet)
    try:
        body = _new_body(customer_id, sheet)
        made = await desk.billing.post("/invoices", body, headers=form.once)
    except Refused as refused:
        return await _editor(desk, customer_id, sheet, refused=refused)
    return _saved(made["id"], form)


@router.get("/invoices/{invoice_id}/edit")
async def show_draft(invoice_id: UUID, desk: Signed) -> Response:
    desk.need("invoices:write")
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    if invoice["state"] != "draft":
        return see_other(f"/invoices/{invoice_id}/correct")
    customer_id = UUID(invoice["customer_id"])
    return await _editor(desk, customer_id, sheet_of(invoice), invoice)


@router.post("/invoices/{invoice_id}/edit")
async def write_draft(invoice_id: UUID, desk: Signed, form: Posted) -> Response:
    sheet = rearranged(read_sheet(form), form["act"])
    path = f"/invoices/{invoice_id}"
    try:
        if form["act"] in _SAVING:
            await desk.billing.put(path, body_of(sheet), version=sheet.version)
            return _saved(invoice_id, form)
        refusal = None
    except Refused as refused:
        refusal = refused
    invoice = await desk.billing.get(path)
    return await _editor(desk, UUID(invoice["customer_id"]), sheet, invoice, refusal)


def _saved(invoice_id: object, form: Form) -> Response:
    if form["act"] == "finalize":
        return see_other(f"/invoices/{invoice_id}/finalize")
    return see_other(f"/invoices/{invoice_id}", {"done": "saved"})


def _new_body(customer_id: UUID, sheet: Sheet) -> dict[str, Any]:
    currency = {"currency": sheet.head["currency"].upper()} if sheet.head["currency"] else {}
    return {"customer_id": str(customer_id), **currency, **body_of(sheet)}


async def _work_out(desk: Desk, customer_id: UUID, sheet: Sheet, path: str) -> Any:
    """What the draft would be, as billing computes it."""
    if path:
        return await desk.billing.put(path, body_of(sheet), params=_DRY)
    return await desk.billing.post("/invoices", _new_body(customer_id, sheet), params=_DRY)


async def _editor(
    desk: Desk,
    customer_id: UUID,
    sheet: Sheet,
    invoice: dict[str, Any] | None = None,
    refused: Refused | None = None,
) -> Response:
    """The form with what it comes to; while it is only worked out, what is wrong is no error."""
    path = f"/invoices/{invoice['id']}" if invoice else ""
    panels = await together(
        customer=desk.customers.get(f"/customers/{customer_id}"),
        seller=desk.billing.get("/settings/seller"),
        then=_work_out(desk, customer_id, sheet, path),
    )
    then = panels["then"]
    overtaken = bool(refused and refused.status == 412 and invoice)  # noqa: PLR2004 - somebody was faster
    # Rows name lines by their place: which booking is where, only who saved last knows.
    booked = any(line["subscription_id"] for line in (invoice or {"lines": ()})["lines"])
    may_overwrite = overtaken and not booked
    return page(
        desk,
        "invoices/editor.html",
        refused.status if refused else 200,
        customer=panels["customer"].data or {"id": str(customer_id), "number": ""},
        customer_id=customer_id,
        invoice=invoice,
        sheet=sheet,
        version=str(invoice["version"]) if may_overwrite and invoice else sheet.version,
        overtaken=overtaken,
        may_overwrite=may_overwrite,
        then=then,
        totals=line_totals(sheet, then.data["lines"]) if then.data else {},
        label_of=label_of,
        hints=errors_of(then.refusal, sheet) if then.refusal else {},
        errors=errors_of(refused, sheet) if refused else {},
        trouble=refused.detail if refused and not overtaken else "",
        categories=_categories(panels["seller"]),
        treatments=TREATMENTS,
        languages=choices()["language"],
        key=new_id(),
    )


def _categories(seller: Panel) -> dict[str, str]:
    """VAT categories of the seller's table, with their rates at home."""
    rates = seller.data["vat_rates"] if seller.data else ()
    home = {r["category"]: r["percent"] for r in rates if r["country"] == seller.data["country"]}
    names = dict.fromkeys(["standard", *(rate["category"] for rate in rates)])
    return {n: f"{n.capitalize()}, {home[n]} %" if n in home else n.capitalize() for n in names}
