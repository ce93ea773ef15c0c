"""Invoices: lists, one with all that belongs to it, its PDF, payments, and making it void."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Panel, Refused, together
from services.console.pages.bookings import find_progress
from services.console.pages.customer import customer_page
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter()

_METHODS = {"bank_transfer": "Bank transfer", "card": "Card", "cash": "Cash", "other": "Other"}


@router.get("/invoices")
async def list_invoices(request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    panels = await together(found=desk.billing.get("/invoices", after=after, limit=25))
    return page(desk, "invoices/list.html", today=desk.today, after=after, found=panels["found"])


@router.get("/customers/{customer_id}/invoices")
async def list_invoices_of_customer(customer_id: UUID, request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    found = desk.billing.get("/invoices", customer_id=customer_id, after=after, limit=25)
    return await customer_page(
        desk, customer_id, "invoices", questions={"found": found}, after=after
    )


@router.get("/invoices/{invoice_id}")
async def show_invoice(invoice_id: UUID, desk: Signed) -> Response:
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    customer_id = UUID(invoice["customer_id"])
    steps: dict[str, Panel] = {}
    if request_id := invoice["request_id"]:
        # Once the steps say that there is no news, nothing beside them may be older than they.
        steps = await together(steps=find_progress(desk, customer_id, request_id))
        invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    questions = {
        "customer": desk.customers.get(f"/customers/{customer_id}"),
        "payments": desk.billing.get(f"/invoices/{invoice_id}/payments"),
        "deliveries": desk.notifier.get("/deliveries", customer_id=customer_id, limit=200),
    }
    panels = await together(**questions) | steps
    return page(
        desk,
        "invoices/invoice.html",
        invoice=invoice,
        methods=_METHODS,
        today=desk.today,
        panels=panels,
    )


@router.get("/invoices/{invoice_id}/pdf")
async def show_pdf(invoice_id: UUID, desk: Signed) -> Response:
    answer = await desk.billing.send("GET", f"/invoices/{invoice_id}/pdf")
    headers = {"content-disposition": answer.headers.get("content-disposition", "inline")}
    return Response(answer.content, media_type="application/pdf", headers=headers)


@router.get("/invoices/{invoice_id}/pay")
async def ask_for_payment(invoice_id: UUID, desk: Signed) -> Response:
    desk.need("payments:write")
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    typed = {
        "amount": invoice["open_amount"]["amount"],
        "method": "bank_transfer",
        "reference": "",
        "received_on": "",
    }
    return _payment_form(desk, invoice, typed)


@router.post("/invoices/{invoice_id}/pay")
async def record_payment(invoice_id: UUID, desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in ("amount", "method", "reference", "received_on")}
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    try:
        body = _payment(typed, invoice["currency"])
        await desk.billing.post(f"/invoices/{invoice_id}/payments", body, headers=form.once)
    except Refused as refused:
        return _payment_form(desk, invoice, typed, refused)
    return see_other(f"/invoices/{invoice_id}", {"done": "payment"})


def _payment(typed: dict[str, str], currency: str) -> dict[str, Any]:
    """As people write amounts: `1'234.50` and `1 234.50` are one number."""
    amount = typed["amount"]
    for separator in ("'", "\u2019", " ", "\u00a0"):
        amount = amount.replace(separator, "")
    body: dict[str, Any] = {
        "amount": {"amount": amount, "currency": currency},
        "method": typed["method"],
        "reference": typed["reference"],
    }
    return body | ({"received_on": typed["received_on"]} if typed["received_on"] else {})


def _payment_form(
    desk: Desk, invoice: dict[str, Any], typed: dict[str, str], refused: Refused | None = None
) -> Response:
    return page(
        desk,
        "invoices/pay.html",
        refused.status if refused else 200,
        invoice=invoice,
        typed=typed,
        methods=_METHODS,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )


@router.get("/invoices/{invoice_id}/void")
async def ask_to_void(invoice_id: UUID, desk: Signed) -> Response:
    desk.need("invoices:write")
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    return page(desk, "invoices/void.html", invoice=invoice, trouble="")


@router.post("/invoices/{invoice_id}/void")
async def void_invoice(invoice_id: UUID, desk: Signed, _posted: Posted) -> Response:
    try:
        await desk.billing.post(f"/invoices/{invoice_id}/void")
    except Refused as refused:
        invoice = await desk.billing.get(f"/invoices/{invoice_id}")
        trouble = refused.detail
        return page(desk, "invoices/void.html", refused.status, invoice=invoice, trouble=trouble)
    return see_other(f"/invoices/{invoice_id}", {"done": "voided"})
