"""Money that came by itself and could not be booked: give it to an invoice, or back."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Form, Posted, Signed
from services.console.editing import plain_number
from services.console.gateways import Panel, Refused, together
from services.console.views import page, see_other
from services.console.words import METHODS
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/payments")

_STATES = {"open": "To decide", "assigned": "Assigned", "refunded": "Given back"}
_PAYABLE = {"open", "paid"}
_FEW = 8


@router.get("")
async def list_unallocated(request: Request, desk: Signed) -> Response:
    given = request.query_params
    state = given.get("state", "open")
    state = state if state in _STATES else "open"
    found = desk.billing.get(
        "/unallocated-payments", state=state, after=given.get("after", ""), limit=25
    )
    panels = await together(found=found)
    return page(
        desk,
        "payments/list.html",
        state=state,
        states=_STATES,
        methods=METHODS,
        found=panels["found"],
    )


async def _open_one(desk: Desk, payment_id: UUID) -> dict[str, Any]:
    one: dict[str, Any] = await desk.billing.get(f"/unallocated-payments/{payment_id}")
    if one["state"] != "open":
        raise Refused(404, {"detail": "It is assigned or given back already."})
    return one


@router.get("/{payment_id}/assign")
async def ask_to_assign(payment_id: UUID, request: Request, desk: Signed) -> Response:
    desk.need("payments:write")
    return await _assignment(desk, payment_id, Form(request.query_params.multi_items()))


@router.post("/{payment_id}/assign")
async def assign_payment(payment_id: UUID, desk: Signed, form: Posted) -> Response:
    amount = {"amount": plain_number(form["amount"]), "currency": form["currency"]}
    body = {"invoice_id": form["invoice"], "amount": amount}
    try:
        path = f"/unallocated-payments/{payment_id}/assign"
        await desk.billing.post(path, body, headers=form.once)
    except Refused as refused:
        return await _assignment(desk, payment_id, form, refused)
    return see_other(f"/invoices/{form['invoice']}", {"done": "payment"})


async def _assignment(
    desk: Desk, payment_id: UUID, given: Form, refused: Refused | None = None
) -> Response:
    payment = await _open_one(desk, payment_id)
    candidates = await _candidates(desk, payment, given["q"])
    errors = dict(refused.errors) if refused else {}
    if "invoice_id" in errors and not given["invoice"]:
        errors["invoice_id"] = "choose one"
    return page(
        desk,
        "payments/assign.html",
        refused.status if refused else 200,
        payment=payment,
        candidates=candidates,
        q=given["q"],
        chosen=given["invoice"],
        amount=given["amount"] or payment["left"]["amount"],
        errors=errors,
        trouble=refused.detail if refused and not errors else "",
        key=new_id(),
    )


async def _candidates(desk: Desk, payment: dict[str, Any], words: str) -> Panel:
    """What was looked for; else the open invoices of the customer it seems to come from."""
    asked: dict[str, Any] = {"currency": payment["left"]["currency"], "limit": _FEW}
    if words:
        asked |= {"q": words, "limit": _FEW * 2}
    else:
        asked |= {"state": "open", "customer_id": payment["customer_id"]}
    found = (await together(found=desk.billing.get("/invoices", **asked)))["found"]
    if found.data is None:
        return found
    payable = [invoice for invoice in found.data["items"] if invoice["state"] in _PAYABLE]
    return Panel(payable[:_FEW])


@router.get("/{payment_id}/refund")
async def ask_to_refund(payment_id: UUID, desk: Signed) -> Response:
    desk.need("payments:write")
    return _refund(desk, await _open_one(desk, payment_id))


@router.post("/{payment_id}/refund")
async def refund_payment(payment_id: UUID, desk: Signed, form: Posted) -> Response:
    try:
        path = f"/unallocated-payments/{payment_id}/refund"
        await desk.billing.post(path, {"note": form["note"]}, headers=form.once)
    except Refused as refused:
        return _refund(desk, await _open_one(desk, payment_id), refused, form["note"])
    return see_other("/payments", {"done": "refund"})


def _refund(
    desk: Desk, payment: dict[str, Any], refused: Refused | None = None, note: str = ""
) -> Response:
    return page(
        desk,
        "payments/refund.html",
        refused.status if refused else 200,
        payment=payment,
        note=note,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )
