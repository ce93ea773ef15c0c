"""Actions on plans and modules: what they would do is shown first, then they are done."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.console.desk import Desk, Form, Posted, Signed
from services.console.gateways import Refused, together
from services.console.outlook import Step, outlook_of
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["KIND", "Tab", "router"]

router = APIRouter(prefix="/customers/{customer_id}")

Tab = Literal["plans", "modules"]
KIND = {"plans": "plan", "modules": "module"}


@dataclass(frozen=True, slots=True)
class Item:
    """An action chosen on a card, as `<product>:<action>:<cycle>` in addresses and forms."""

    product: str
    action: str
    cycle: str

    def __str__(self) -> str:
        return f"{self.product}:{self.action}:{self.cycle}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, with what was typed.

    Attributes:
        start, last_day: of an edited period, as people say it: the last day is part of it.
        version: of the customer that was shown when this was asked.
        waiting: the request whose invoice waited when this was asked.
    """

    kind: str
    items: tuple[Item, ...]
    start: str = ""
    last_day: str = ""
    reason: str = ""
    version: str = ""
    waiting: str = ""

    @property
    def edits_a_period(self) -> bool:
        return any(item.action == "edit_period" for item in self.items)

    @property
    def is_complete(self) -> bool:
        return bool(self.items) and not (self.edits_a_period and not self.last_day)

    def body(self, expected: dict[str, str] | None = None) -> dict[str, Any]:
        """As the API takes it.

        Raises:
            Refused: a date is none.
        """
        dates = _period(self.start, self.last_day) if self.edits_a_period else {}
        actions = [
            {
                f"{self.kind}_id": item.product,
                "action": item.action,
                **({"cycle": item.cycle} if item.cycle else {}),
                **(dates if item.action == "edit_period" else {}),
            }
            for item in self.items
        ]
        body: dict[str, Any] = actions[0] if self.kind == "plan" else {"actions": actions}
        body |= {"reason": self.reason} if self.reason else {}
        body |= {"customer_version": int(self.version)} if self.version else {}
        return body | ({"expected_total": expected} if expected else {})


def _period(start: str, last_day: str) -> dict[str, str]:
    """A period with its last day as the half-open one of the API."""
    return {
        **({"start": _date("start", start).isoformat()} if start else {}),
        "end": (_date("end", last_day) + timedelta(days=1)).isoformat(),
    }


def _date(field: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.max
    if found == date.max:
        raise Refused(422, {"detail": "", "errors": [{"field": field, "rule": "must be a date"}]})
    return found


def _wish(tab: Tab, given: Form) -> Wish:
    parts = (text.split(":") for text in given.all("item") if text)
    items = tuple(Item(*part) for part in parts if len(part) == 3)  # noqa: PLR2004 - of an Item
    version = given["version"] if given["version"].isdecimal() else ""
    return Wish(
        KIND[tab],
        items[:1] if tab == "plans" else items,
        given["start"],
        given["last_day"],
        given["reason"],
        version,
        given["waiting"],
    )


@router.get("/{tab}/ask")
async def ask_about_action(customer_id: UUID, tab: Tab, request: Request, desk: Signed) -> Response:
    desk.need("subscriptions:write")
    given = Form(request.query_params.multi_items())
    return await _ask(desk, customer_id, tab, _wish(tab, given))


async def _ask(
    desk: Desk, customer_id: UUID, tab: Tab, wish: Wish, refused: Refused | None = None
) -> Response:
    """Say what will happen and what it costs, before anything does."""
    found = await together(customer=desk.customers.get(f"/customers/{customer_id}"))
    customer = found["customer"].data or {"id": str(customer_id)}
    wish = replace(wish, version=str(customer.get("version", "")))
    path = f"/customers/{customer_id}/{wish.kind}-options"
    panels = await together(
        cards=desk.subscriptions.get(path), preview=_take(desk, customer_id, wish, dry_run=True)
    )
    refusal = refused or panels["preview"].refusal
    errors = _errors(refusal)
    trouble = "" if errors else refusal.detail if refusal else panels["preview"].trouble
    if not wish.items:
        trouble = f"Choose at least one {wish.kind} first."
    preview = None if errors else panels["preview"].data
    cards = panels["cards"].data["items"] if panels["cards"].data else []
    steps = [_step(item, cards) for item in wish.items]
    return page(
        desk,
        "customer/action.html",
        refused.status if refused else 200,
        customer=customer,
        tab=tab,
        wish=wish,
        steps=steps,
        outlook=outlook_of(steps, preview, customer) if steps else None,
        preview=preview,
        dates=_dates(wish, steps),
        errors=errors,
        trouble=trouble,
        again=_again(wish) if refusal and refusal.code == "retry" else "",
        key=new_id(),
    )


def _again(wish: Wish) -> str:
    """The same question; soon the copy of the customer is as new as what was shown."""
    given = {"start": wish.start, "last_day": wish.last_day, "reason": wish.reason}
    return f"?{urlencode([*(('item', str(i)) for i in wish.items), *given.items()])}"


def _dates(wish: Wish, steps: list[Step]) -> dict[str, str]:
    """What stands in the form of a period: what was typed, or what there is."""
    period = steps[0].card.get("period") if steps else None
    if wish.start or wish.last_day or not period:
        return {"start": wish.start, "last_day": wish.last_day}
    last = date.fromisoformat(period["end"]) - timedelta(days=1)
    return {"start": period["start"], "last_day": last.isoformat()}


def _step(item: Item, cards: list[dict[str, Any]]) -> Step:
    card = next((card for card in cards if card["product_id"] == item.product), {})
    asked = (item.action, item.cycle)
    offered = (a for a in card.get("actions", ()) if (a["action"], a["cycle"] or "") == asked)
    return Step(item.action, item.cycle, card, next(offered, {}))


def _errors(refusal: Refused | None) -> dict[str, str]:
    """Rules by field of the form: the API's end is the day after the last one."""
    rules = refusal.errors if refusal else {}
    found = {"start": rules["start"]} if "start" in rules else {}
    if end := rules.get("end"):
        found["last_day"] = end if end == "must be a date" else f"the day after it {end}"
    return found


async def _take(
    desk: Desk,
    customer_id: UUID,
    wish: Wish,
    expected: dict[str, str] | None = None,
    *,
    dry_run: bool = False,
    once: dict[str, str] | None = None,
) -> Any:
    if not wish.is_complete:
        return None
    return await desk.subscriptions.post(
        f"/customers/{customer_id}/{wish.kind}-actions",
        wish.body(expected),
        params={"dry_run": "true"} if dry_run else None,
        headers=once,
    )


@router.post("/{tab}/ask")
async def take_action(customer_id: UUID, tab: Tab, desk: Signed, form: Posted) -> Response:
    wish = _wish(tab, form)
    expected = {"amount": form["amount"], "currency": form["currency"]}
    try:
        result = await _take(
            desk, customer_id, wish, expected if form["amount"] else None, once=form.once
        )
    except Refused as refused:
        return await _ask(desk, customer_id, tab, wish, refused)
    if result is None:
        return await _ask(desk, customer_id, tab, wish)
    told = {"done": "booked" if result["request_id"] else wish.items[0].action}
    # Whether made or withdrawn, what becomes of the invoice is shown by its steps.
    if request := result["request_id"] or wish.waiting:
        told["request"] = request
    return see_other(f"/customers/{customer_id}/{tab}", told)
