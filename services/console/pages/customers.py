"""The list of customers, and adding one."""

from typing import Any

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Posted, Signed
from services.console.editing import Draft, blank_draft, refused_draft
from services.console.gateways import Refused, together
from services.console.places import choices
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["FIELDS", "body_of", "router"]

router = APIRouter()

_LINES = ("address_lines", "billing_address")
FIELDS = (
    "company_name",
    "contact_name",
    "address_lines",
    "postcode",
    "city",
    "country",
    "email",
    "phone",
    "website",
    "vat_id",
    "language",
    "currency",
    "time_zone",
    "billing_name",
    "billing_email",
    "billing_address",
    "billing_note",
)
_SORTS = {"": "Newest", "name": "Name", "number": "Number", "created": "Oldest"}


def body_of(texts: dict[str, str]) -> dict[str, Any]:
    """Texts of a form as the API takes them."""
    return {
        name: [line.strip() for line in text.splitlines()] if name in _LINES else text
        for name, text in texts.items()
    }


@router.get("/")
async def show_start(_desk: Signed) -> Response:
    return see_other("/customers")


@router.get("/customers")
async def list_customers(request: Request, desk: Signed) -> Response:
    query = request.query_params
    asked = {name: query.get(name, "")[:200] for name in ("search", "sort", "status", "after")}
    panels = await together(found=desk.customers.get("/customers", **asked, limit=25))
    return page(desk, "customers/list.html", asked=asked, sorts=_SORTS, found=panels["found"])


@router.get("/customers/new")
async def show_new_customer(desk: Signed) -> Response:
    desk.need("customers:write")
    return _form(desk, blank_draft({**dict.fromkeys(FIELDS, ""), "country": "CH"}))


@router.post("/customers/new")
async def add_customer(desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in FIELDS}
    given = {name: text for name, text in typed.items() if text}
    try:
        made = await desk.customers.post("/customers", body_of(given), headers=form.once)
    except Refused as refused:
        return _form(desk, refused_draft(blank_draft(typed), refused), refused.status)
    return see_other(f"/customers/{made['id']}", {"done": "customer-added"})


def _form(desk: Desk, draft: Draft, status: int = 200) -> Response:
    return page(desk, "customers/new.html", status, draft=draft, choices=choices(), key=new_id())
