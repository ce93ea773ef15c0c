"""Operators, as administrators see them."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Refused, together
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/operators")

_ROLES = {
    "viewer": "Viewer: reads all but the audit log",
    "support": "Support: also customers and their users",
    "billing": "Billing: also plans, invoices, payments",
    "admin": "Administrator: everything",
}
Switch = Literal["deactivate", "reactivate"]


@router.get("")
async def list_operators(request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    panels = await together(found=desk.identity.get("/operators", after=after, limit=25))
    return page(desk, "operators/list.html", found=panels["found"])


@router.get("/new")
async def show_new_operator(desk: Signed) -> Response:
    desk.need("operators:write")
    return _shown(desk, None, {"email": "", "name": "", "role": "viewer"})


@router.post("/new")
async def add_operator(desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in ("email", "name", "role")}
    try:
        await desk.identity.post("/operators", typed, headers=form.once)
    except Refused as refused:
        return _shown(desk, None, typed, refused)
    return see_other("/operators", {"done": "operator-added"})


@router.get("/{operator_id}")
async def show_operator(operator_id: UUID, desk: Signed) -> Response:
    found = await desk.identity.get(f"/operators/{operator_id}")
    return _shown(desk, found, {name: found[name] for name in ("email", "name", "role")})


@router.post("/{operator_id}")
async def edit_operator(operator_id: UUID, desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in ("name", "role")}
    try:
        await desk.identity.patch(f"/operators/{operator_id}", typed)
    except Refused as refused:
        found = await desk.identity.get(f"/operators/{operator_id}")
        return _shown(desk, found, {**typed, "email": found["email"]}, refused)
    return see_other("/operators", {"done": "saved"})


@router.post("/{operator_id}/{verb}")
async def switch_operator(
    operator_id: UUID, verb: Switch, desk: Signed, _posted: Posted
) -> Response:
    try:
        await desk.identity.post(f"/operators/{operator_id}/{verb}")
    except Refused as refused:
        found = await desk.identity.get(f"/operators/{operator_id}")
        typed = {name: found[name] for name in ("email", "name", "role")}
        return _shown(desk, found, typed, refused)
    return see_other("/operators", {"done": "operator-switched"})


def _shown(
    desk: Desk, found: Any, typed: dict[str, str], refused: Refused | None = None
) -> Response:
    return page(
        desk,
        "operators/operator.html",
        refused.status if refused else 200,
        found=found,
        typed=typed,
        roles=_ROLES,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
        key=new_id(),
    )
