"""Plans and modules of a customer: their cards, and how far a booking has come."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Signed
from services.console.gateways import Away, Panel, together
from services.console.pages.actions import KIND
from services.console.pages.customer import customer_page
from services.console.progress import Progress, owed_on, progress_of
from services.console.views import page

__all__ = ["find_progress", "router"]

router = APIRouter(prefix="/customers/{customer_id}")

_RECENT = 50


@router.get("/plans")
@router.get("/modules")
async def show_cards(customer_id: UUID, request: Request, desk: Signed) -> Response:
    tab = "plans" if request.url.path.endswith("/plans") else "modules"
    cards = await _cards(desk, customer_id, tab)
    booked = [request.query_params.get("request", "")]
    waiting = [card["waiting"]["request_id"] for card in _list(cards) if card["waiting"]]
    requests = [r for r in dict.fromkeys([*booked, *waiting]) if _is_id(r)]
    # First: once the steps say that there is no news, nothing beside them may be older than they.
    steps = await together(**{r: find_progress(desk, customer_id, r) for r in requests})
    if requests:
        cards = await _cards(desk, customer_id, tab)
    return await customer_page(
        desk,
        customer_id,
        tab,
        questions={"catalogue": desk.subscriptions.get("/catalogue")},
        kind=KIND[tab],
        steps=steps,
        cards=cards,
        new_to_subscriptions=cards.refusal is not None and cards.refusal.status == 404,  # noqa: PLR2004 - its copy is on its way
    )


async def _cards(desk: Desk, customer_id: UUID, tab: str) -> Panel:
    options = desk.subscriptions.get(f"/customers/{customer_id}/{KIND[tab]}-options")
    return (await together(cards=options))["cards"]


def _list(cards: Panel) -> list[dict[str, Any]]:
    return cards.data["items"] if cards.data else []


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


async def find_progress(desk: Desk, customer_id: UUID, request_id: str) -> Progress:
    """How far the booking of a request has come, from what each service says now.

    Raises:
        Away, Refused: billing does not say.
    """
    panels = await together(
        invoices=desk.billing.get("/invoices", customer_id=customer_id, limit=_RECENT),
        deliveries=desk.notifier.get("/deliveries", customer_id=customer_id, limit=_RECENT),
        subscriptions=desk.subscriptions.get("/subscriptions", customer_id=customer_id, limit=200),
    )
    invoices = panels["invoices"]
    if invoices.refusal:
        raise invoices.refusal
    if invoices.trouble:
        raise Away("billing")
    invoice = next((i for i in _list(invoices) if i["request_id"] == request_id), None)
    over = invoice is not None and invoice["state"] not in {"open", "paid"}
    waiting = not over and await _waits(desk, customer_id, request_id)
    deliveries, subscriptions = _list(panels["deliveries"]), _list(panels["subscriptions"])
    return progress_of(invoice, deliveries, subscriptions, waiting=waiting)


async def _waits(desk: Desk, customer_id: UUID, request_id: str) -> bool:
    """Whether any card still waits for this request.

    As long as nobody says no, it does: a change may be paid and not in force yet.
    """
    base = f"/customers/{customer_id}"
    panels = await together(
        plans=desk.subscriptions.get(f"{base}/plan-options"),
        modules=desk.subscriptions.get(f"{base}/module-options"),
    )
    if any(panel.trouble for panel in panels.values()):
        return True
    cards = [card for panel in panels.values() for card in _list(panel)]
    return any(card["waiting"] and card["waiting"]["request_id"] == request_id for card in cards)


@router.get("/progress/{request_id}")
async def show_progress(
    customer_id: UUID,
    request_id: UUID,
    desk: Signed,
    seen: str = "",
    unpaid: UUID | None = None,
) -> Response:
    """The strip alone, for a page that looks again by itself; 204 when there is no news.

    Args:
        unpaid: the invoice whose payment is all that is waited for: only it is asked about.
    """
    if unpaid:
        panels = await together(invoice=desk.billing.get(f"/invoices/{unpaid}"))
        invoice = panels["invoice"].data
        if invoice and owed_on(invoice) and seen.endswith(f"-{owed_on(invoice)}"):
            return Response(status_code=204)
    panels = await together(steps=find_progress(desk, customer_id, str(request_id)))
    steps = panels["steps"]
    if steps.data and steps.data.seen == seen:
        return Response(status_code=204)
    answer = page(
        desk,
        "customer/strip.html",
        customer={"id": str(customer_id)},
        request_id=str(request_id),
        panel=steps,
        fragment=True,
    )
    if steps.data:
        answer.headers["hx-trigger"] = "moved"  # what is below the strip looks again, too
    return answer
