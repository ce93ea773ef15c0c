"""Messages that services could not handle: look, have them handled again, give them up."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from services.console.desk import Posted, Signed
from services.console.gateways import NAMES, Refused, together
from services.console.views import page, see_other

__all__ = ["router"]

router = APIRouter(prefix="/failures")

Kind = Literal["dead", "parked"]
Act = Literal["replay", "discard"]
Service = Literal["identity", "customers", "subscriptions", "billing", "notifier"]


@router.get("")
async def list_failures(
    request: Request, desk: Signed, kind: Kind = "dead", service: Service | None = None
) -> Response:
    """Of every service side by side, or the next page of one."""
    after = request.query_params.get("after", "") if service else ""
    names = (service,) if service else NAMES
    questions = {
        name: desk.speak(name).get(f"/{name}/failures", kind=kind, after=after, limit=25)
        for name in names
    }
    return page(desk, "failures/list.html", kind=kind, found=await together(**questions))


@router.get("/{service}/{kind}/{failure_id}")
async def show_failure(service: Service, kind: Kind, failure_id: int, desk: Signed) -> Response:
    failure = await desk.speak(service).get(f"/{service}/failures/{kind}/{failure_id}")
    return page(desk, "failures/failure.html", service=service, kind=kind, failure=failure)


@router.post("/{service}/{act}")
async def act_on_failures(service: Service, act: Act, desk: Signed, form: Posted) -> Response:
    """First a dry run that says which ones it would be; once that was confirmed, the act."""
    kind = "parked" if form["kind"] == "parked" else "dead"
    ids = [int(text) for text in form.all("ids") if text.isdecimal()]
    back = f"/failures?kind={kind}"
    if not ids:
        raise Refused(422, {"detail": "Choose at least one message first."})
    confirmed = form["confirmed"] == "yes"
    body = {"kind": kind, "ids": ids, "dry_run": not confirmed}
    result = await desk.speak(service).post(f"/{service}/failures/{act}", body)
    if confirmed:
        return see_other("/failures", {"kind": kind, "done": act})
    return page(
        desk,
        "failures/ask.html",
        service=service,
        act=act,
        kind=kind,
        result=result,
        back=back,
    )
