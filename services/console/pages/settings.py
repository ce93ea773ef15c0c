"""The seller's settings: who invoices are from, VAT, numbers and looks."""

from typing import Any

from fastapi import APIRouter, Response

from services.console.desk import Desk, Posted, Signed
from services.console.gateways import Refused, together
from services.console.places import choices
from services.console.sellers import (
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
_MAILS = "/settings/mails"


@router.get("")
async def show_settings(desk: Signed) -> Response:
    seller = await desk.billing.get(_SELLER)
    return await _form(desk, seller, seller_sheet(seller))


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
    seller = await desk.billing.get(_SELLER)
    sheet = rearranged(read_seller(form), form["act"])
    if form["act"] != "save":
        return await _form(desk, seller, sheet)
    if sheet.version != str(seller["version"]):
        return await _form(desk, seller, sheet, Refused(412, {"detail": ""}))
    try:
        await desk.billing.put(_SELLER, body_of(sheet, seller), version=sheet.version)
    except Refused as refused:
        return await _form(desk, seller, sheet, refused)
    return see_other("/settings", {"done": "saved"})


async def _form(
    desk: Desk, seller: dict[str, Any], sheet: SellerSheet, refused: Refused | None = None
) -> Response:
    panels = await together(mails=desk.notifier.get(_MAILS))
    return page(
        desk,
        "settings/seller.html",
        refused.status if refused else 200,
        mails=panels["mails"],
        mail_kinds=MAIL_KINDS,
        seller=seller,
        sheet=sheet,
        version=str(seller["version"]) if refused and refused.status == 412 else sheet.version,  # noqa: PLR2004 - somebody was faster
        overtaken=bool(refused and refused.status == 412),  # noqa: PLR2004 - as above
        errors=errors_of(refused) if refused else {},
        trouble=refused.detail if refused else "",
        countries=choices()["country"],
    )
