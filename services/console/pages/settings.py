"""The seller's settings: who invoices are from, VAT, numbers and looks."""

from typing import Any

from fastapi import APIRouter, Response

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Refused, together
from services.console.places import choices
from services.console.sellers import (
    BLANK_SELLER,
    SellerSheet,
    body_of,
    errors_of,
    read_seller,
    rearranged,
    seller_sheet,
)
from services.console.views import page, see_other
from services.console.words import MAIL_KINDS

__all__ = ["router"]

router = APIRouter(prefix="/settings")

_SELLER = "/settings/seller"
_LOGO = "/settings/seller/logo"
_MAILS = "/settings/mails"
_PNG = "image/png"


@router.get("")
async def show_settings(desk: Signed) -> Response:
    seller = await _seller(desk)
    return await _form(desk, seller, seller_sheet(seller))


@router.get("/logo")
async def show_logo(desk: Signed) -> Response:
    answer = await desk.billing.send("GET", _LOGO)
    return Response(answer.content, media_type="image/png")


@router.post("/logo")
async def change_logo(desk: Signed, form: Posted) -> Response:
    """Take the picture that was chosen, or none from now on."""
    if form["act"] == "remove":
        await desk.billing.send("DELETE", _LOGO)
        return see_other("/settings", {"done": "saved"})
    picture = form.pictures.get("logo", b"")
    try:
        await desk.billing.send("PUT", _LOGO, content=picture, headers={"content-type": _PNG})
    except Refused as refused:
        seller = await _seller(desk)
        rule = refused.errors.get("body", refused.detail)
        return await _form(desk, seller, seller_sheet(seller), refused, logo_error=rule)
    return see_other("/settings", {"done": "saved"})


@router.post("/mails")
async def switch_mails(desk: Signed, form: Posted) -> Response:
    """Which kinds of mail go out by themselves; those the form did not show stay as they are."""
    switches = await desk.notifier.get(_MAILS)
    shown = form.all("kind")
    chosen = {kind: form[f"mail.{kind}"] == "on" for kind in switches if kind in shown}
    await desk.notifier.put(_MAILS, {**switches, **chosen})
    return see_other("/settings", {"done": "saved"})


@router.post("")
async def save_settings(desk: Signed, form: Posted) -> Response:
    """Save; other buttons only add or take out a row of the VAT table."""
    desk.need("settings:write")
    seller = await _seller(desk)
    sheet = rearranged(read_seller(form), form["act"])
    if form["act"] != "save":
        return await _form(desk, seller, sheet)
    if sheet.version != str(seller["version"]):
        return await _form(desk, seller, sheet, Refused(412, {"detail": ""}))
    try:
        await desk.billing.put(
            _SELLER, body_of(sheet, seller), version="" if sheet.version == "0" else sheet.version
        )
    except Refused as refused:
        return await _form(desk, seller, sheet, refused)
    return see_other("/settings", {"done": "saved"})


async def _seller(desk: Desk) -> dict[str, Any]:
    """What is stored; where nothing is yet, the blank form."""
    try:
        found: dict[str, Any] = await desk.billing.get(_SELLER)
    except Refused as refused:
        if refused.status != 404:  # noqa: PLR2004 - nobody has saved any yet
            raise
        return dict(BLANK_SELLER)
    return found


async def _form(
    desk: Desk,
    seller: dict[str, Any],
    sheet: SellerSheet,
    refused: Refused | None = None,
    logo_error: str = "",
) -> Response:
    panels = await together(mails=desk.notifier.get(_MAILS))
    overtaken = bool(refused and refused.status == 412)  # noqa: PLR2004 - somebody was faster
    return page(
        desk,
        "settings/seller.html",
        refused.status if refused else 200,
        mails=panels["mails"],
        mail_kinds=MAIL_KINDS,
        seller=seller,
        sheet=sheet,
        version=str(seller["version"]) if overtaken else sheet.version,
        overtaken=overtaken,
        errors=errors_of(refused) if refused and not logo_error else {},
        trouble=refused.detail if refused and not logo_error else "",
        logo_error=logo_error,
        countries=choices()["country"],
    )
