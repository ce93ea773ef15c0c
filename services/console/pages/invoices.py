"""Invoices: lists, one with all that belongs to it, and its PDF."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.deeds import deeds_of
from services.console.desk import Desk, Signed
from services.console.gateways import Panel, together
from services.console.pages.bookings import find_progress
from services.console.pages.customer import customer_page
from services.console.views import page
from services.console.words import METHODS

__all__ = ["asked_for", "router"]

router = APIRouter()

_STATES = {
    "": "All",
    "draft": "Draft",
    "open": "Open",
    "overdue": "Overdue",
    "partly_paid": "Partly paid",
    "paid": "Paid",
    "credited": "Credited",
    "void": "Void",
    "deleted": "Deleted",
}
_SORTS = {
    "": "Newest",
    "date": "Oldest",
    "due": "Due first",
    "-amount": "Largest",
    "amount": "Smallest",
    "customer": "Customer",
    "-number": "Number",
}
_NEWEST = 5


def asked_for(request: Request) -> dict[str, str]:
    """What a list is asked for, as the API takes it: deleted is no state, but out of the lists."""
    asked = _asked(request)
    return {**asked, "state": "", "hidden": "true"} if asked["state"] == "deleted" else asked


def _asked(request: Request) -> dict[str, str]:
    given = request.query_params
    return {name: given.get(name, "")[:200] for name in ("q", "state", "sort", "after")}


@router.get("/invoices")
async def list_invoices(request: Request, desk: Signed) -> Response:
    asked = _asked(request)
    panels = await together(found=desk.billing.get("/invoices", **asked_for(request), limit=25))
    return page(
        desk,
        "invoices/list.html",
        asked=asked,
        states=_STATES,
        sorts=_SORTS,
        found=panels["found"],
    )


@router.get("/customers/{customer_id}/invoices")
async def list_invoices_of_customer(customer_id: UUID, request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    questions = {
        "found": desk.billing.get("/invoices", customer_id=customer_id, after=after, limit=25),
        "credit": desk.billing.get(f"/customers/{customer_id}/balance", limit=_NEWEST),
    }
    return await customer_page(desk, customer_id, "invoices", questions=questions, after=after)


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
        "credit_notes": desk.billing.get(f"/invoices/{invoice_id}/credit-notes"),
        "deliveries": desk.notifier.get("/deliveries", customer_id=customer_id, limit=200),
    }
    panels = await together(**questions, **_related(desk, invoice)) | steps
    return page(
        desk,
        "invoices/invoice.html",
        invoice=invoice,
        deeds=deeds_of(invoice, desk.session.scopes),
        methods=METHODS,
        panels=panels,
    )


def _related(desk: Desk, invoice: dict[str, Any]) -> dict[str, Awaitable[Any]]:
    """The invoice that this one corrects, and the one that has taken its place."""
    ids = {name: invoice[name] for name in ("corrects", "replaced_by")}
    return {name: desk.billing.get(f"/invoices/{one}") for name, one in ids.items() if one}


@router.get("/invoices/{invoice_id}/pdf")
async def show_pdf(invoice_id: UUID, desk: Signed) -> Response:
    return await _document(desk, f"/invoices/{invoice_id}/pdf")


@router.get("/invoices/{invoice_id}/cancellation-note")
async def show_cancellation_note(invoice_id: UUID, desk: Signed) -> Response:
    return await _document(desk, f"/invoices/{invoice_id}/cancellation-note/pdf")


@router.get("/credit-notes/{note_id}/pdf")
async def show_credit_note(note_id: UUID, desk: Signed) -> Response:
    return await _document(desk, f"/credit-notes/{note_id}/pdf")


async def _document(desk: Desk, path: str) -> Response:
    """A PDF as billing has it."""
    answer = await desk.billing.send("GET", path)
    headers = {"content-disposition": answer.headers.get("content-disposition", "inline")}
    return Response(answer.content, media_type="application/pdf", headers=headers)
