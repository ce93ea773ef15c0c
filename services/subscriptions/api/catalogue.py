from typing import Annotated

from fastapi import Response

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.schemas import catalogue as schemas
from services.subscriptions.use_cases import catalogue
from shared.auth import Call, access
from shared.http import new_router

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
