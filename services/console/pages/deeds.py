"""Actions on a whole invoice: each says first what it will do."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.console.deeds import Verb, question_of
from services.console.desk import Desk, Form, Posted, Signed
from services.console.gateways import Panel, Refused, together
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/invoices/{invoice_id}")


@dataclass(frozen=True, slots=True)
class _Typed:
    due_date: str = ""
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    status: int = 200


@router.get("/{verb}")
async def ask_about_invoice(invoice_id: UUID, verb: Verb, desk: Signed) -> Response:
    desk.need("invoices:write")
    return await _ask(desk, invoice_id, verb, _Typed())


async def _ask(desk: Desk, invoice_id: UUID, verb: Verb, typed: _Typed) -> Response:
    invoice = await desk.billing.get(f"/invoices/{invoice_id}")
    questions = {"customer": desk.customers.get(f"/customers/{invoice['customer_id']}")}
    if verb == "finalize":
        dry = {"dry_run": "true"}
        questions["then"] = desk.billing.post(f"/invoices/{invoice_id}/finalize", {}, params=dry)
    panels = await together(**questions)
    then = panels.get("then", Panel())
    return page(
        desk,
        "invoices/ask.html",
        typed.status,
        invoice=invoice,
        verb=verb,
        question=question_of(verb, invoice, panels["customer"].data or {}, then.data),
        then=then.data,
        typed=typed,
        trouble=typed.trouble or then.trouble,
        is_possible=not then.trouble,
        key=new_id(),
    )


@router.post("/{verb}")
async def act_on_invoice(invoice_id: UUID, verb: Verb, desk: Signed, form: Posted) -> Response:
    try:
        made = await _act(desk, invoice_id, verb, form)
    except Refused as refused:
        trouble = "" if refused.errors else refused.detail
        typed = _Typed(form["due_date"], form["reason"], refused.errors, trouble, refused.status)
        return await _ask(desk, invoice_id, verb, typed)
    if verb == "delete":
        return see_other(f"/customers/{form['customer']}/invoices", {"done": verb})
    if verb == "correct":
        return see_other(f"/invoices/{made['id']}/edit", {"done": verb})
    return see_other(f"/invoices/{invoice_id}", {"done": verb})


async def _act(desk: Desk, invoice_id: UUID, verb: Verb, form: Form) -> Any:
    path = f"/invoices/{invoice_id}"
    if verb == "delete":
        return await desk.billing.send("DELETE", path, headers=form.once)
    reason = {"reason": form["reason"]} if form["reason"] else {}
    body: Any = {
        "finalize": _expected(form),
        "correct": None,
        "send": {"finalize": form["finalize"] == "yes"},
        "due-date": {"due_date": form["due_date"], **reason},
        "void": reason,
    }[verb]
    return await desk.billing.post(f"{path}/{verb}", body, headers=form.once)


def _expected(form: Form) -> dict[str, Any]:
    """The total that was shown; if it is another one now, it is asked about again."""
    if not form["amount"]:
        return {}
    return {"expected_total": {"amount": form["amount"], "currency": form["currency"]}}
