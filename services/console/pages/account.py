"""One's own account: password and authenticator app."""

from typing import Any

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Refused
from services.console.sessions import forget_cookie
from services.console.views import page, see_other

__all__ = ["router"]

router = APIRouter(prefix="/account")


@router.get("")
async def show_account(desk: Signed) -> Response:
    return await _account(desk)


async def _account(desk: Desk, refused: Refused | None = None, part: str = "") -> Response:
    return page(
        desk,
        "account/account.html",
        refused.status if refused else 200,
        account=await desk.identity.get("/account"),
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused else "",
        part=part,
    )


@router.post("/password")
async def change_password(request: Request, desk: Signed, form: Posted) -> Response:
    """All sessions end with it, this one too."""
    body = {name: form.raw(name) for name in ("current_password", "new_password")}
    try:
        await desk.identity.post("/account/password", body)
    except Refused as refused:
        return await _account(desk, refused, "password")
    request.app.state.sessions.forget(desk.secret)
    answer = see_other("/sign-in", {"done": "password"})
    forget_cookie(request, answer, "kontor_session")
    return answer


@router.post("/totp")
async def begin_totp(desk: Signed, form: Posted) -> Response:
    body = {"current_password": form.raw("current_password")}
    try:
        begun = await desk.identity.post("/account/totp", body)
    except Refused as refused:
        return await _account(desk, refused, "totp")
    return _confirm_page(desk, begun)


def _confirm_page(desk: Desk, begun: dict[str, Any], refused: Refused | None = None) -> Response:
    code = segno.make(begun["uri"]).svg_inline(scale=5, border=2, svgclass="qr", lineclass=None)
    return page(
        desk,
        "account/totp.html",
        refused.status if refused else 200,
        begun=begun,
        qr=Markup(code),  # noqa: S704 - lines drawn by the library, no text of the address
        trouble=refused.detail if refused else "",
    )


@router.post("/totp/confirm")
async def confirm_totp(desk: Signed, form: Posted) -> Response:
    try:
        codes = await desk.identity.post("/account/totp/confirm", {"code": form["code"]})
    except Refused as refused:
        begun = {"secret": form["secret"], "uri": form["uri"]}
        return _confirm_page(desk, begun, refused)
    return page(desk, "account/codes.html", codes=codes["recovery_codes"])


@router.post("/totp/remove")
async def remove_totp(desk: Signed, form: Posted) -> Response:
    try:
        body = {"current_password": form.raw("current_password")}
        await desk.identity.post("/account/totp/remove", body)
    except Refused as refused:
        return await _account(desk, refused, "totp")
    return see_other("/account", {"done": "totp-off"})
