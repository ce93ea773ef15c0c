from typing import Annotated
from uuid import UUID

from services.subscriptions.api.shapes import period_out, subscription_out
from services.subscriptions.domain.catalogue import Kind
from services.subscriptions.schemas import actions as schemas
from services.subscriptions.use_cases import actions, options
from services.subscriptions.use_cases.actions import ActionItem, ActionResult
from services.subscriptions.use_cases.options import PricedCard
from shared.auth import Call, access
from shared.database import RolledBack
from shared.http import new_router
from shared.money import Money

__all__ = ["router"]

router = new_router()


@router.get("/customers/{customer_id}/plan-options")
async def get_plan_options(
    customer_id: UUID, call: Annotated[Call, access("subscriptions:read")]
) -> schemas.CardsOut:
    """The plans with exactly the actions possible now, each with the amount to pay."""
    found = await options.list_options(call.tx, customer_id, "plan", now=call.now)
    return schemas.CardsOut(items=[_card(card) for card in found])


@router.get("/customers/{customer_id}/module-options")
async def get_module_options(
    customer_id: UUID, call: Annotated[Call, access("subscriptions:read")]
) -> schemas.CardsOut:
    """The modules with exactly the actions possible now, each with the amount to pay."""
    found = await options.list_options(call.tx, customer_id, "module", now=call.now)
    return schemas.CardsOut(items=[_card(card) for card in found])


@router.post("/customers/{customer_id}/plan-actions", status_code=201)
async def take_plan_action(
    customer_id: UUID,
    body: schemas.PlanActionIn,
    call: Annotated[Call, access("subscriptions:write")],
    dry_run: bool = False,
) -> schemas.ActionResultOut:
    """Do what the plan's card offers; with `dry_run` only say what would come of it."""
    items = [ActionItem(body.plan_id, body.action, body.cycle)]
    return await _take(call, customer_id, "plan", items, body.expected_total, dry_run=dry_run)


@router.post("/customers/{customer_id}/module-actions", status_code=201)
async def take_module_actions(
    customer_id: UUID,
    body: schemas.ModuleActionsIn,
    call: Annotated[Call, access("subscriptions:write")],
    dry_run: bool = False,
) -> schemas.ActionResultOut:
    """Do what the modules' cards offer: all of it or nothing, on one invoice.

    With `dry_run` it only says what would come of it: the amount of the one invoice.
    """
    items = [ActionItem(item.module_id, item.action, item.cycle) for item in body.actions]
    return await _take(call, customer_id, "module", items, body.expected_total, dry_run=dry_run)


async def _take(
    call: Call,
    customer_id: UUID,
    kind: Kind,
    items: list[ActionItem],
    expected_total: Money | None,
    *,
    dry_run: bool,
) -> schemas.ActionResultOut:
    async with call.tx.attempt():
        result = await actions.take_actions(
            call.tx,
            customer_id,
            kind,
            items,
            expected_total=expected_total,
            actor=call.caller.subject,
            now=call.now,
            new_id=call.new_id,
        )
        if dry_run:
            raise RolledBack
    return _result(result)


def _card(priced: PricedCard) -> schemas.CardOut:
    card, own = priced.card, priced.card.subscription
    return schemas.CardOut(
        product_id=card.offering.id,
        kind=card.offering.kind,
        name=card.offering.name,
        description=card.offering.description,
        recommended=card.offering.recommended,
        subscription_id=own.id if own else None,
        state=str(own.state) if own else None,
        period=period_out(own),
        waiting=schemas.WaitingOut(
            request_id=priced.offer.request_id, invoice_id=priced.offer.invoice_id
        )
        if priced.offer
        else None,
        actions=[
            schemas.ActionOut(action=a.action.name, cycle=a.action.cycle, amount=a.amount)
            for a in priced.actions
        ],
        reason=priced.reason,
    )


def _result(result: ActionResult) -> schemas.ActionResultOut:
    return schemas.ActionResultOut(
        request_id=result.request_id,
        amount=result.amount,
        subscriptions=[subscription_out(s) for s in result.subscriptions],
    )
