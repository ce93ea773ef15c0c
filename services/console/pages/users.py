"""The people of a customer."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Posted, Signed
from services.console.editing import Draft, blank_draft, draft_of, read_draft, refused_draft
from services.console.gateways import Refused
from services.console.pages.customer import customer_page
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/customers/{customer_id}/users")

_EDITABLE = ("salutation", "first_name", "surname", "email")
_NEW = (*_EDITABLE, "role")
Switch = Literal["deactivate", "reactivate"]


@router.get("")
async def list_users(customer_id: UUID, request: Request, desk: Signed) -> Response:
    after = request.query_params.get("after", "")
    users = desk.customers.get(f"/customers/{customer_id}/users", after=after, limit=25)
    return await customer_page(desk, customer_id, "users", questions={"users": users})


@router.get("/new")
async def show_new_user(customer_id: UUID, desk: Signed) -> Response:
    desk.need("customers:write")
    return await _form(desk, customer_id, None, blank_draft(dict.fromkeys(_NEW, "")))


@router.post("/new")
async def add_user(customer_id: UUID, desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in _NEW}
    try:
        await desk.customers.post(f"/customers/{customer_id}/users", typed, headers=form.once)
    except Refused as refused:
        draft = refused_draft(blank_draft(typed), refused)
        return await _form(desk, customer_id, None, draft, refused.status)
    return see_other(f"/customers/{customer_id}/users", {"done": "user-added"})


@router.get("/{user_id}")
async def show_user(customer_id: UUID, user_id: UUID, desk: Signed) -> Response:
    user = await desk.customers.get(f"/users/{user_id}")
    return await _form(desk, customer_id, user, draft_of(user, _EDITABLE))


@router.post("/{user_id}")
async def edit_user(customer_id: UUID, user_id: UUID, desk: Signed, form: Posted) -> Response:
    draft = read_draft(form, _EDITABLE)
    try:
        if draft.changed:
            await desk.customers.patch(f"/users/{user_id}", draft.changed, version=draft.version)
    except Refused as refused:
        user = await desk.customers.get(f"/users/{user_id}")
        shown = refused_draft(draft, refused)
        return await _form(desk, customer_id, user, shown, refused.status)
    return see_other(f"/customers/{customer_id}/users", {"done": "user-saved"})


@router.post("/{user_id}/{verb}")
async def switch_user(
    customer_id: UUID, user_id: UUID, verb: Switch, desk: Signed, _posted: Posted
) -> Response:
    try:
        await desk.customers.post(f"/users/{user_id}/{verb}")
    except Refused as refused:
        user = await desk.customers.get(f"/users/{user_id}")
        draft = refused_draft(draft_of(user, _EDITABLE), refused)
        return await _form(desk, customer_id, user, draft, refused.status)
    return see_other(f"/customers/{customer_id}/users", {"done": "user-switched"})


async def _form(
    desk: Desk, customer_id: UUID, user: Any, draft: Draft, status: int = 200
) -> Response:
    customer = await desk.customers.get(f"/customers/{customer_id}")
    return page(
        desk, "customer/user.html", status, customer=customer, user=user, draft=draft, key=new_id()
    )
