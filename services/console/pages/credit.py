"""Credit notes, and the credit balance of a customer."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Form, Posted, Signed
from services.console.editing import plain_number
from services.console.gateways import Panel, Refused, together
from services.console.pages.customer import customer_page
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter()

_ENDED = {"expired", "withdrawn"}


@router.get("/invoices/{invoice_id}/credit")
async def ask_to_credit(invoice_id: UUID, request: Request, desk: Signed) -> Response:
    """First the amounts; once they are given, what comes of them."""
    desk.need("invoices:write")
    return await _credit_page(desk, invoice_id, Form(request.query_params.multi_items()))


@router.post("/invoices/{invoice_id}/credit")
async def credit_invoice(invoice_id: UUID, desk: Signed, form: Posted) -> Response:
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    path = f"/invoices/{invoice_id}/credit-notes"
    try:
        await desk.billing.post(path, _credit_body(invoice, form), headers=form.once)
    except Refused as refused:
        return await _credit_page(desk, invoice_id, form, refused)
    return see_other(f"/invoices/{invoice_id}", {"done": "credited"})


async def _credit_page(
    desk: Desk, invoice_id: UUID, given: Form, refused: Refused | None = None
) -> Response:
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    left = {line["position"]: _left(line) for line in invoice["lines"] if _left(line)}
    typed = {position: str(amount) for position, amount in left.items()}
    questions = {}
    if given["go"]:
        typed = {position: given[f"amount.{position}"] for position in left}
        body = _credit_body(invoice, given)
        path, dry = f"/invoices/{invoice_id}/credit-notes", {"dry_run": "true"}
        questions["preview"] = desk.billing.post(path, body, params=dry)
        questions["booked"] = desk.subscriptions.get(
            "/subscriptions", customer_id=invoice["customer_id"], limit=200
        )
    panels = await together(**questions)
    preview = panels.get("preview", Panel())
    refusal = refused or preview.refusal
    errors = _credit_errors(refusal, [p for p in left if typed[p]])
    return page(
        desk,
        "invoices/credit.html",
        refused.status if refused else 200,
        invoice=invoice,
        left=left,
        typed=typed,
        reason=given["reason"],
        errors=errors,
        trouble="" if errors else refusal.detail if refusal else preview.trouble,
        preview=preview.data,
        running=_running(invoice, preview.data, panels.get("booked", Panel())),
        key=new_id(),
    )


def _left(line: dict[str, Any]) -> Decimal:
    return Decimal(line["total"]["amount"]) - Decimal(line["credited"]["amount"])


def _credit_body(invoice: dict[str, Any], given: Form) -> dict[str, Any]:
    """Untouched, the amounts are all that is left, which is credited as a whole."""
    left = {line["position"]: _left(line) for line in invoice["lines"] if _left(line)}
    wanted = {p: text for p in left if (text := plain_number(given[f"amount.{p}"]))}
    body: dict[str, Any] = {"reason": given["reason"]}
    if len(wanted) == len(left) and all(_same(wanted[p], left[p]) for p in left):
        return body
    return body | {
        "lines": [
            {"position": p, "amount": {"amount": text, "currency": invoice["currency"]}}
            for p, text in wanted.items()
        ]
    }


def _same(text: str, amount: Decimal) -> bool:
    try:
        return Decimal(text) == amount
    except InvalidOperation:
        return False


def _credit_errors(refusal: Refused | None, positions: list[int]) -> dict[str, str]:
    """Rules by field of the form: the API counts the lines that it was given."""
    found = {}
    for error in refusal.problem.get("errors", ()) if refusal else ():
        name, _, rest = str(error["field"]).partition("[")
        index = rest.partition("]")[0]
        if name == "lines" and index.isdecimal() and int(index) < len(positions):
            found[f"amount.{positions[int(index)]}"] = str(error["rule"])
        elif name == "reason":
            found[name] = str(error["rule"])
    return found


def _running(
    invoice: dict[str, Any], preview: dict[str, Any] | None, booked: Panel
) -> list[dict[str, Any]]:
    """Whatever keeps its access although it is credited: only Withdraw ends that."""
    if preview is None or booked.data is None:
        return []
    credited = {line["position"] for line in preview["credit_note"]["lines"]}
    lines = [line for line in invoice["lines"] if line["position"] in credited]
    titles = {line["subscription_id"]: line["title"] for line in lines if line["subscription_id"]}
    return [
        {**one, "title": titles[one["id"]]}
        for one in booked.data["items"]
        if one["id"] in titles and one["state"] not in {*_ENDED, "pending"}
    ]


# -- the balance -------------------------------------------------------------------------------


@router.get("/customers/{customer_id}/balance")
async def show_balance(customer_id: UUID, request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    path = f"/customers/{customer_id}/balance"
    questions = {"credit": desk.billing.get(path, after=after, limit=25)}
    return await customer_page(desk, customer_id, "balance", questions=questions)


@router.get("/customers/{customer_id}/refund")
async def ask_to_refund(customer_id: UUID, desk: Signed, currency: str = "") -> Response:
    desk.need("payments:write")
    return await _refund_page(desk, customer_id, currency, None)


@router.post("/customers/{customer_id}/refund")
async def record_refund(customer_id: UUID, desk: Signed, form: Posted) -> Response:
    amount = {"amount": plain_number(form["amount"]), "currency": form["currency"]}
    body = {"amount": amount, "note": form["note"]}
    try:
        await desk.billing.post(f"/customers/{customer_id}/refunds", body, headers=form.once)
    except Refused as refused:
        return await _refund_page(desk, customer_id, form["currency"], form, refused)
    return see_other(f"/customers/{customer_id}/invoices", {"done": "refund"})


async def _refund_page(
    desk: Desk,
    customer_id: UUID,
    currency: str,
    form: Form | None,
    refused: Refused | None = None,
) -> Response:
    found = await desk.billing.get(f"/customers/{customer_id}/balance", limit=1)
    balance = next((b for b in found["balances"] if b["currency"] == currency), None)
    if balance is None:
        raise Refused(404, {"detail": "There is no credit in this currency."})
    return page(
        desk,
        "customer/refund.html",
        refused.status if refused else 200,
        customer_id=customer_id,
        balance=balance,
        amount=form["amount"] if form else balance["amount"],
        note=form["note"] if form else "",
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )
