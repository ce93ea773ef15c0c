from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.subscriptions import repository, schemas
from services.subscriptions.domain.catalogue import Catalogue, Kind, Offering
from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.use_cases import actions, catalogue, options
from services.subscriptions.use_cases.actions import ActionItem, ActionResult
from services.subscriptions.use_cases.options import PricedCard
from shared.auth import Call, access
from shared.database import RolledBack
from shared.errors import NotFound
from shared.http import new_router
from shared.money import Money
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.put("/catalogue", status_code=204)
async def put_catalogue(
    body: schemas.CatalogueIn, call: Annotated[Call, access("catalogue:write")]
) -> Response:
    """Add or change the plans, modules, features and prices named; the rest stays."""
    offerings = [
        catalogue.NewOffering(
            id=offering.id,
            kind="plan" if isinstance(offering, schemas.PlanIn) else "module",
            group_id=offering.group_id if isinstance(offering, schemas.PlanIn) else None,
            name=offering.name,
            archived=offering.archived,
            details=offering.model_dump(
                mode="json", exclude={"id", "name", "group_id", "archived", "prices"}
            ),
            prices=[catalogue.NewPrice(**price.model_dump()) for price in offering.prices],
        )
        for offering in (*body.plans, *body.modules)
    ]
    document = catalogue.CatalogueDocument(
        groups=[group.model_dump() for group in body.groups],
        features=[feature.model_dump() for feature in body.features],
        offerings=offerings,
    )
    await catalogue.save_catalogue(
        call.tx, document, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return Response(status_code=204)


@router.get("/catalogue")
async def get_catalogue(
    call: Annotated[Call, access("catalogue:read", per_customer=True)],  # the same for all
) -> schemas.CatalogueOut:
    found = await repository.get_catalogue(call.tx)
    offerings = sorted(found.offerings.values(), key=lambda o: (-o.priority, o.name))
    return schemas.CatalogueOut(
        plans=[_offering(o, found) for o in offerings if o.kind == "plan"],
        modules=[_offering(o, found) for o in offerings if o.kind == "module"],
    )


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


@router.get("/subscriptions")
async def list_subscriptions(
    call: Annotated[Call, access("subscriptions:read", per_customer=True)],
    customer_id: UUID | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.SubscriptionsOut:
    """Newest first."""
    found, following = await repository.list_subscriptions(
        call.tx,
        customer_id=customer_id,
        seen=call.caller.customer_ids,
        after=after,
        limit=limit,
    )
    return schemas.SubscriptionsOut(items=[_subscription(s) for s in found], next=following)


@router.get("/subscriptions/{subscription_id}")
async def get_subscription(
    subscription_id: UUID, call: Annotated[Call, access("subscriptions:read", per_customer=True)]
) -> schemas.SubscriptionOut:
    row = await repository.get_subscription(call.tx, subscription_id, seen=call.caller.customer_ids)
    if row is None:
        raise NotFound("subscription", subscription_id)
    return _subscription(row)


@router.get("/customers/{customer_id}/entitlements")
async def get_entitlements(
    customer_id: UUID, call: Annotated[Call, access("entitlements:read")]
) -> schemas.EntitlementsOut:
    """What this customer may use right now; nothing at all before the first activation."""
    stored = (await repository.get_entitlements(call.tx, [customer_id])).get(customer_id)
    if stored:
        return schemas.EntitlementsOut(version=stored.version, **stored.data)
    if not await repository.get_customers(call.tx, [customer_id]):
        raise NotFound("customer", customer_id)
    return schemas.EntitlementsOut(
        customer_id=customer_id,
        version=0,
        plan=None,
        modules=[],
        features={},
        max_users=0,
        over_limit=False,
        paid_until=None,
        access_until=None,
    )


def _offering(offering: Offering, found: Catalogue) -> schemas.OfferingOut:
    return schemas.OfferingOut(
        id=offering.id,
        kind=offering.kind,
        name=offering.name,
        description=offering.description,
        max_users=offering.max_users,
        trial_days=offering.trial_days,
        is_free=offering.is_free,
        recommended=offering.recommended,
        priority=offering.priority,
        archived=offering.archived,
        included_modules=list(offering.included_modules),
        features=dict(offering.features),
        prices=[
            schemas.PriceOut(
                currency=price.currency,
                cycle=price.cycle,
                unit_price=price.unit_price,
                basis=price.basis,
                vat_category=price.vat_category,
            )
            for price in found.prices
            if price.product_id == offering.id
        ],
    )


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
        period=_period(own),
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


def _period(subscription: Subscription | None) -> schemas.PeriodOut | None:
    if subscription is None or subscription.period is None:
        return None
    return schemas.PeriodOut(start=subscription.period.start, end=subscription.period.end)


def _subscription(subscription: Subscription) -> schemas.SubscriptionOut:
    return schemas.SubscriptionOut(
        id=subscription.id,
        customer_id=subscription.customer_id,
        kind=subscription.kind,
        product_id=subscription.product_id,
        state=str(subscription.state),
        version=subscription.version,
        term=subscription.term,
        origin=subscription.origin,
        cycle=subscription.cycle,
        period=_period(subscription),
    )


def _result(result: ActionResult) -> schemas.ActionResultOut:
    return schemas.ActionResultOut(
        request_id=result.request_id,
        amount=result.amount,
        subscriptions=[_subscription(s) for s in result.subscriptions],
    )
