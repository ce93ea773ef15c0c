"""Payments: recording what has arrived for an invoice, and taking back what has bounced."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.console.desk import Desk, Posted, Signed
from services.console.editing import plain_number
from services.console.gateways import Refused
from services.console.views import page, see_other
from services.console.words import METHODS
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/invoices/{invoice_id}")

_FIELDS = ("amount", "method", "reference", "received_on")


@router.get("/pay")
async def ask_for_payment(invoice_id: UUID, desk: Signed) -> Response:
    desk.need("payments:write")
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    typed = dict.fromkeys(_FIELDS, "") | {
        "amount": invoice["open_amount"]["amount"],
        "method": "bank_transfer",
    }
    return _payment_form(desk, invoice, typed)


@router.post("/pay")
async def record_payment(invoice_id: UUID, desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in _FIELDS}
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    body: dict[str, Any] = {
        "amount": {"amount": plain_number(typed["amount"]), "currency": invoice["currency"]},
        "method": typed["method"],
        "reference": typed["reference"],
    }
    if typed["received_on"]:
        body["received_on"] = typed["received_on"]
    try:
        path = f"/invoices/{invoice_id}/payments"
        result = await desk.billing.post(path, body, headers=form.once)
    except Refused as refused:
        return _payment_form(desk, invoice, typed, refused)
    return see_other(f"/invoices/{invoice_id}", {"done": _outcome(invoice, result)})


def _outcome(before: dict[str, Any], result: dict[str, Any]) -> str:
    """Which of the three: a part, all, or more than was open."""
    after = result["invoice"]
    if after["state"] == "open":
        return "payment-part"
    gone = Decimal(after["surplus"]["amount"]) - Decimal(before["surplus"]["amount"])
    return "payment-over" if gone > 0 else "payment"


def _payment_form(
    desk: Desk, invoice: dict[str, Any], typed: dict[str, str], refused: Refused | None = None
) -> Response:
    return page(
        desk,
        "invoices/pay.html",
        refused.status if refused else 200,
        invoice=invoice,
        typed=typed,
        methods=METHODS,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )


@router.get("/payments/{payment_id}/reverse")
async def ask_to_reverse(invoice_id: UUID, payment_id: UUID, desk: Signed) -> Response:
    desk.need("payments:write")
    return await _reversal(desk, invoice_id, payment_id)


@router.post("/payments/{payment_id}/reverse")
async def reverse_payment(
    invoice_id: UUID, payment_id: UUID, desk: Signed, form: Posted
) -> Response:
    body = {"reason": form["reason"]}
    try:
        await desk.billing.post(f"/payments/{payment_id}/reverse", body, headers=form.once)
    except Refused as refused:
        return await _reversal(desk, invoice_id, payment_id, refused)
    return see_other(f"/invoices/{invoice_id}", {"done": "reversed"})


async def _reversal(
    desk: Desk, invoice_id: UUID, payment_id: UUID, refused: Refused | None = None
) -> Response:
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    payments = await desk.billing.get(f"/invoices/{invoice_id}/payments")
    payment = next((p for p in payments["items"] if p["id"] == str(payment_id)), None)
    if payment is None:
        raise Refused(404, {"detail": "There is no such payment of this invoice."})
    return page(
        desk,
        "invoices/reverse.html",
        refused.status if refused else 200,
        invoice=invoice,
        payment=payment,
        methods=METHODS,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )
