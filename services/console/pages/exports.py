"""Files for spreadsheets and bookkeeping, passed on as they are made."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from services.console.desk import Desk, Signed
from services.console.gateways import Refused
from services.console.pages.invoices import asked_for
from services.console.views import page

__all__ = ["router"]

router = APIRouter(prefix="/invoices")


@router.get("/export")
async def export_invoices(request: Request, desk: Signed) -> Response:
    """What the list shows, all of its pages."""
    asked = {name: text for name, text in asked_for(request).items() if name != "after"}
    return await _file(desk, "/invoices/export", "invoices.csv", asked)


@router.get("/journal")
async def ask_for_journal(desk: Signed) -> Response:
    today = desk.today
    return _ask(desk, {"from": today.replace(day=1).isoformat(), "to": today.isoformat()})


@router.get("/journal/file")
async def export_journal(request: Request, desk: Signed) -> Response:
    days = {name: request.query_params.get(name, "")[:20] for name in ("from", "to")}
    try:
        return await _file(desk, "/journal", "journal.csv", days)
    except Refused as refused:
        return _ask(desk, days, refused)


def _ask(desk: Desk, days: dict[str, str], refused: Refused | None = None) -> Response:
    return page(
        desk,
        "invoices/journal.html",
        refused.status if refused else 200,
        days=days,
        errors=refused.errors if refused else {},
        trouble=refused.detail if refused and not refused.errors else "",
    )


async def _file(desk: Desk, path: str, name: str, given: dict[str, Any]) -> Response:
    answer = await desk.billing.stream(path, **given)
    usual = f'attachment; filename="{name}"'
    return StreamingResponse(
        answer.aiter_bytes(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": answer.headers.get("content-disposition", usual)},
        background=BackgroundTask(answer.aclose),
    )
