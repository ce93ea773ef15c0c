from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request

from services.subscriptions.api.shapes import period_out, subscription_out
from services.subscriptions.domain.catalogue import Kind
from services.subscriptions.domain.decisions import Asked
from services.subscriptions.schemas import actions as schemas
from services.subscriptions.use_cases import actions, options
from services.subscriptions.use_cases.actions import ActionResult, AmountChanged
from services.subscriptions.use_cases.options import PricedCard
from shared.auth import Call, access
from shared.http import new_router

__all__ = ["router"]

router = new_router()


@router.get("/customers/{customer_id}/plan-options")
async def get_plan_options(
    customer_id: UUID, call: Annotated[Call, access("subscriptions:read")], request: Request
) -> schemas.CardsOut:
    """The plans with exactly the actions possible now, each with the amount to pay."""
    return await _cards(call, customer_id, "plan", request)


@router.get("/customers/{customer_id}/module-options")
async def get_module_options(
    customer_id: UUID, call: Annotated[Call, access("subscriptions:read")], request: Request
) -> schemas.CardsOut:
    """The modules with exactly the actions possible now, each with the amount to pay."""
    return await _cards(call, customer_id, "module", request)


async def _cards(call: Call, customer_id: UUID, kind: Kind, request: Request) -> schemas.CardsOut:
    policy = request.app.state.policy
    found = await options.list_options(call.tx, customer_id, kind, policy=policy, now=call.now)
    return schemas.CardsOut(items=[_card(card) for card in found])


@router.post("/customers/{customer_id}/plan-actions", status_code=201)
async def take_plan_action(
    customer_id: UUID,
    body: schemas.PlanActionIn,
    call: Annotated[Call, access("subscriptions:write")],
    request: Request,
    dry_run: bool = False,
) -> schemas.ActionResultOut:
    """Do what the plan's card offers; with `dry_run` only say what would come of it."""
    asked = [_asked(body.plan_id, body)]
    return await _take(call, customer_id, "plan", asked, body, request, dry_run=dry_run)


@router.post("/customers/{customer_id}/module-actions", status_code=201)
async def take_module_actions(
    customer_id: UUID,
    body: schemas.ModuleActionsIn,
    call: Annotated[Call, access("subscriptions:write")],
    request: Request,
    dry_run: bool = False,
) -> schemas.ActionResultOut:
    """Do what the modules' cards offer: all of it or nothing, on one invoice.

    With `dry_run` it only says what would come of it.
    """
    asked = [_asked(item.module_id, item) for item in body.actions]
    return await _take(call, customer_id, "module", asked, body, request, dry_run=dry_run)


def _asked(product_id: UUID, item: schemas.ActionIn) -> Asked:
    return Asked(product_id, item.action, item.cycle, item.start, item.end)


async def _take(
    call: Call,
    customer_id: UUID,
    kind: Kind,
    asked: Sequence[Asked],
    body: schemas.PlanActionIn | schemas.ModuleActionsIn,
    request: Request,
    *,
    dry_run: bool,
) -> schemas.ActionResultOut:
    try:
        result = await actions.take_actions(
            call.tx,
            customer_id,
            kind,
            asked,
            expected_total=body.expected_total,
            customer_version=body.customer_version,
            reason=body.reason,
            dry_run=dry_run,
            policy=request.app.state.policy,
            actor=call.caller.subject,
            now=call.now,
            new_id=call.new_id,
        )
    except AmountChanged as refusal:
        preview: Any = _result(refusal.result).model_dump(mode="json")
        refusal.extra = {**refusal.extra, "preview": preview}
        raise
    return _result(result)


def _card(priced: PricedCard) -> schemas.CardOut:
    card, own, offer, scheduled = priced.card, priced.card.own, priced.offer, priced.scheduled
    return schemas.CardOut(
        product_id=card.offering.id,
        kind=card.offering.kind,
        name=card.offering.name,
        description=card.offering.description,
        recommended=card.offering.recommended,
        subscription_id=own.id if own else None,
        state=str(own.state) if own else None,
        origin=own.origin if own else None,
        cycle=own.cycle if own else None,
        period=period_out(own),
        access_until=own.ends_on if own and own.live else None,
        included_in_plan=card.included,
        trial_days=card.offering.trial_days,
        scheduled=schemas.ScheduledOut(
            product_id=scheduled.product_id,
            name=priced.book.offering(scheduled.product_id).name,
            cycle=scheduled.cycle,
            effective_on=scheduled.effective_on,
        )
        if scheduled
        else None,
        waiting=schemas.WaitingOut(
            request_id=offer.request_id,
            invoice_id=offer.invoice_id,
            product_id=offer.product_id,
            name=priced.book.offering(offer.product_id).name,
            cycle=offer.cycle,
            lapses_on=offer.lapses_on,
        )
        if offer
        else None,
        actions=[
            schemas.ActionOut(
                action=a.action.name,
                cycle=a.action.cycle,
                amount=a.amount,
                credit=a.credit,
                effective_on=a.effective_on,
            )
            for a in priced.actions
        ],
        reason=priced.reason,
    )


def _result(result: ActionResult) -> schemas.ActionResultOut:
    return schemas.ActionResultOut(
        request_id=result.request_id,
        amount=result.amount,
        credit=result.credit,
        forfeited=result.forfeited,
        lines=[
            schemas.ResultLineOut(
                title=line.line.title,
                description=line.line.description,
                explanation=line.line.explanation,
                quantity=line.line.quantity,
                unit_price=line.line.unit_price,
                basis=line.line.basis,
                vat_percent=line.vat_percent,
                total=line.total,
            )
            for line in result.lines
        ],
        events=list(result.events),
        mails=[schemas.MailOut(kind=kind) for kind in result.mails],
        modules_that_stay=list(result.modules_that_stay),
        subscriptions=[subscription_out(s) for s in result.subscriptions],
    )
