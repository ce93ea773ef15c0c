"""One customer: the head that all tabs share, details, what is done to the whole, history."""

from collections.abc import Awaitable, Mapping
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response

from services.console.desk import Desk, Posted, Signed
from services.console.editing import Draft, draft_of, read_draft, refused_draft
from services.console.gateways import Panel, Refused, together
from services.console.histories import AUDITED, actors, find_lives, merged
from services.console.pages.customers import FIELDS, body_of
from services.console.places import choices
from services.console.views import page, see_other
from services.console.words import money

__all__ = ["customer_page", "router"]

router = APIRouter(prefix="/customers/{customer_id}")

Verb = Literal["deactivate", "reactivate", "freeze", "unfreeze"]
_PAGE = 200


async def customer_page(
    desk: Desk,
    customer_id: UUID,
    tab: str,
    *,
    status: int = 200,
    questions: Mapping[str, Awaitable[Any]] | None = None,
    **context: Any,
) -> Response:
    """A tab under the customer's head; everything it needs is asked for at the same time."""
    panels = await together(
        customer=desk.customers.get(f"/customers/{customer_id}"),
        entitlements=desk.subscriptions.get(f"/customers/{customer_id}/entitlements"),
        invoices=desk.billing.get("/invoices", customer_id=customer_id, limit=_PAGE),
        balance=desk.billing.get(f"/customers/{customer_id}/balance", limit=1),
        people=desk.customers.get(f"/customers/{customer_id}/users", limit=_PAGE),
        **(questions or {}),
    )
    found = panels["customer"]
    if found.refusal and found.refusal.status in {404, 410}:
        raise found.refusal
    customer = found.data or {"id": str(customer_id)}
    return page(
        desk,
        f"customer/{tab}.html",
        status,
        tab=tab,
        customer=customer,
        facts=_facts(panels),
        panels=panels,
        **context,
    )


def _facts(panels: dict[str, Panel]) -> dict[str, str]:
    """The numbers of the head; a dash where a service is silent."""
    facts = dict.fromkeys(("plan", "users", "limit", "open", "balance", "over"), "-")
    if entitled := panels["entitlements"].data:
        facts["plan"] = entitled["plan"]["name"] if entitled["plan"] else "None"
        facts["limit"] = str(entitled["max_users"] or "") if entitled["plan"] else ""
        facts["over"] = "yes" if entitled["over_limit"] else ""
    if people := panels["people"].data:
        active = sum(user["active"] for user in people["items"])
        facts["users"] = f"{active}{'+' if people['next'] else ''}"
    if invoices := panels["invoices"].data:
        facts["open"] = _open_amount(invoices["items"]) or _nothing(panels)
    balance = panels["balance"]
    if found := balance.data:
        facts["balance"] = ", ".join(map(money, found["balances"])) or _nothing(panels)
    elif balance.refusal:  # not every role sees it
        facts["balance"] = ""
    return facts


def _nothing(panels: dict[str, Panel]) -> str:
    return f"{(panels['customer'].data or {}).get('currency', '')} 0.00".strip()


def _open_amount(invoices: list[dict[str, Any]]) -> str:
    sums: dict[str, Decimal] = {}
    for invoice in invoices:
        if invoice["state"] == "open":
            owed = invoice["open_amount"]
            sums[owed["currency"]] = sums.get(owed["currency"], Decimal(0)) + Decimal(
                owed["amount"]
            )
    return ", ".join(f"{currency} {amount:,}" for currency, amount in sums.items())


@router.get("")
async def show_details(customer_id: UUID, desk: Signed) -> Response:
    return await _details(desk, customer_id, None)


async def _details(
    desk: Desk, customer_id: UUID, draft: Draft | None, status: int = 200
) -> Response:
    return await customer_page(
        desk,
        customer_id,
        "details",
        status=status,
        draft=draft,
        fields=FIELDS,
        draft_of=draft_of,
        choices=choices(),
    )


@router.post("")
async def edit_customer(customer_id: UUID, desk: Signed, form: Posted) -> Response:
    """Save what was changed; when somebody else was faster, show what they changed."""
    draft = read_draft(form, FIELDS)
    try:
        if draft.changed:
            body = body_of(draft.changed)
            await desk.customers.patch(f"/customers/{customer_id}", body, version=draft.version)
    except Refused as refused:
        return await _details(desk, customer_id, refused_draft(draft, refused), refused.status)
    return see_other(f"/customers/{customer_id}", {"done": "saved"})


@router.get("/ask/{verb}")
async def ask_about_customer(customer_id: UUID, verb: Verb, desk: Signed) -> Response:
    desk.need("customers:write")
    customer = await desk.customers.get(f"/customers/{customer_id}")
    return page(desk, "customer/ask.html", customer=customer, verb=verb, trouble="")


@router.post("/ask/{verb}")
async def change_customer(customer_id: UUID, verb: Verb, desk: Signed, _posted: Posted) -> Response:
    try:
        await desk.customers.post(f"/customers/{customer_id}/{verb}")
    except Refused as refused:
        customer = await desk.customers.get(f"/customers/{customer_id}")
        trouble = refused.detail
        return page(
            desk, "customer/ask.html", refused.status, customer=customer, verb=verb, trouble=trouble
        )
    return see_other(f"/customers/{customer_id}", {"done": verb})


@router.get("/history")
async def show_history(customer_id: UUID, desk: Signed) -> Response:
    """What people, programs and time did, out of all services, newest first."""
    questions: dict[str, Awaitable[Any]] = {
        "lives": find_lives(desk, customer_id),
        "catalogue": desk.subscriptions.get("/catalogue"),
    }
    if desk.may("audit:read"):
        for name in AUDITED:
            path = f"/{name}/audit"
            acts = desk.speak(name).get(path, customer_id=customer_id, limit=_PAGE)
            questions[f"audit_{name}"] = acts
        for kind in ("operators", "clients"):
            questions[kind] = desk.identity.get(f"/{kind}", limit=_PAGE)
    return await customer_page(
        desk,
        customer_id,
        "history",
        questions=questions,
        merged=merged,
        actors=actors,
    )
