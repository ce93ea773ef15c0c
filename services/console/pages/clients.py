"""API clients: who may call without being a person."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Refused, together
from services.console.views import page, see_other

__all__ = ["router"]

router = APIRouter(prefix="/clients")

Verb = Literal["rotate", "deactivate"]


@router.get("")
async def list_clients(request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    panels = await together(found=desk.identity.get("/clients", after=after, limit=25))
    return page(desk, "clients/list.html", found=panels["found"])


@router.get("/new")
async def show_new_client(desk: Signed) -> Response:
    desk.need("clients:write")
    return _form(desk, {"name": "", "customer_ids": "", "scopes": []})


def _form(desk: Desk, typed: dict[str, Any], refused: Refused | None = None) -> Response:
    return page(
        desk,
        "clients/new.html",
        refused.status if refused else 200,
        typed=typed,
        scopes=_by_thing(desk.session.scopes),  # nobody gives away more than they may do
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
    )


def _by_thing(scopes: Iterable[str]) -> dict[str, list[str]]:
    """`invoices:read` -> `read` of `invoices`."""
    found: dict[str, list[str]] = {}
    for scope in sorted(scopes):
        thing, _, verb = scope.partition(":")
        found.setdefault(thing, []).append(verb)
    return found


@router.post("/new")
async def add_client(desk: Signed, form: Posted) -> Response:
    customer_ids = form.lines("customer_ids")
    body = {
        "name": form["name"],
        "scopes": form.all("scopes"),
        "customer_ids": customer_ids or None,
    }
    try:
        client = await desk.identity.post("/clients", body)
    except Refused as refused:
        typed = {**body, "customer_ids": "\n".join(customer_ids)}
        return _form(desk, typed, refused)
    return page(desk, "clients/secret.html", client=client)


@router.get("/{client_id}/{verb}")
async def ask_about_client(client_id: UUID, verb: Verb, request: Request, desk: Signed) -> Response:
    desk.need("clients:write")
    name = request.query_params.get("name", "")[:100]
    return page(desk, "clients/ask.html", client_id=client_id, verb=verb, name=name, trouble="")


@router.post("/{client_id}/{verb}")
async def change_client(client_id: UUID, verb: Verb, desk: Signed, form: Posted) -> Response:
    path = "rotate-secret" if verb == "rotate" else verb
    try:
        client = await desk.identity.post(f"/clients/{client_id}/{path}")
    except Refused as refused:
        return page(
            desk,
            "clients/ask.html",
            refused.status,
            client_id=client_id,
            verb=verb,
            name=form["name"],
            trouble=refused.detail,
        )
    if verb == "rotate":
        return page(desk, "clients/secret.html", client=client)
    return see_other("/clients", {"done": "client-off"})
