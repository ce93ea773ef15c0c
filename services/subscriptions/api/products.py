"""Plans and modules."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from services.subscriptions import repository
from services.subscriptions.api import catalogue_parts as parts
from services.subscriptions.schemas import catalogue as schemas
from services.subscriptions.schemas import catalogue_answers as answers
from shared.auth import Call, access
from shared.etags import ExpectedVersion
from shared.http import new_router

__all__ = ["router"]

router = new_router()

# What is offered is the same for all customers.
Reading = Annotated[Call, access("catalogue:read", per_customer=True)]
Writing = Annotated[Call, access("catalogue:write")]
Archived = Annotated[bool | None, Query(description="Only those that are archived, or are not.")]
Versions = Annotated[
    Literal["current", "all"], Query(description="`all`: also the prices there were before.")
]


_Product = parts.Shape[answers.OfferingOut]


async def _list(call: Call, shape: _Product, archived: bool | None) -> answers.OfferingsOut:
    found = await repository.get_whole_catalogue(call.tx)
    wanted = answers.in_order(shape.items(found).values())
    return answers.OfferingsOut(
        items=[shape.out(o, found) for o in wanted if archived in (None, o.archived)]
    )


async def _get(
    call: Call, response: Response, shape: _Product, ident: UUID, versions: str
) -> answers.OfferingOut:
    found = await parts.get(call, response, shape, ident)
    if versions == "all":
        prices = await repository.get_price_versions(call.tx, ident)
        found = found.model_copy(update={"prices": [answers.price_out(p) for p in prices]})
    return found


async def _archive(
    call: Call, response: Response, shape: _Product, ident: UUID, *, archived: bool
) -> answers.OfferingOut:
    patch = schemas.PlanPatch if shape is parts.PLAN else schemas.ModulePatch
    body = patch.model_validate({"archived": archived})
    return await parts.change(call, response, shape, ident, body, None)


@router.get("/plans")
async def list_plans(call: Reading, archived: Archived = None) -> answers.OfferingsOut:
    """All of them, the most important first."""
    return await _list(call, parts.PLAN, archived)


@router.post("/plans", status_code=201)
async def create_plan(
    body: schemas.PlanIn, response: Response, call: Writing
) -> answers.OfferingOut:
    return await parts.create(call, response, parts.PLAN, body)


@router.get("/plans/{plan_id}")
async def get_plan(
    plan_id: UUID, response: Response, call: Reading, versions: Versions = "current"
) -> answers.OfferingOut:
    return await _get(call, response, parts.PLAN, plan_id, versions)


@router.put("/plans/{plan_id}")
async def put_plan(
    plan_id: UUID,
    body: schemas.PlanIn,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.OfferingOut:
    """Make it what the body says, also when it is not there yet; prices not named stay."""
    return await parts.put(call, response, parts.PLAN, plan_id, body, expected)


@router.patch("/plans/{plan_id}")
async def edit_plan(
    plan_id: UUID,
    body: schemas.PlanPatch,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.OfferingOut:
    """Change some fields. With `If-Match`, only when nobody else was faster."""
    return await parts.change(call, response, parts.PLAN, plan_id, body, expected)


@router.post("/plans/{plan_id}/archive")
async def archive_plan(plan_id: UUID, response: Response, call: Writing) -> answers.OfferingOut:
    """No new bookings; who has it keeps it. A second time changes nothing."""
    return await _archive(call, response, parts.PLAN, plan_id, archived=True)


@router.post("/plans/{plan_id}/unarchive")
async def unarchive_plan(plan_id: UUID, response: Response, call: Writing) -> answers.OfferingOut:
    """Offer it again; refused when its group has another default plan since."""
    return await _archive(call, response, parts.PLAN, plan_id, archived=False)


@router.delete("/plans/{plan_id}", status_code=204)
async def delete_plan(plan_id: UUID, call: Writing, expected: ExpectedVersion) -> Response:
    """Only what was never booked; else 409: it can be archived."""
    return await parts.delete(call, parts.PLAN, plan_id, expected)


@router.get("/modules")
async def list_modules(call: Reading, archived: Archived = None) -> answers.OfferingsOut:
    """All of them, the most important first."""
    return await _list(call, parts.MODULE, archived)


@router.post("/modules", status_code=201)
async def create_module(
    body: schemas.ModuleIn, response: Response, call: Writing
) -> answers.OfferingOut:
    return await parts.create(call, response, parts.MODULE, body)


@router.get("/modules/{module_id}")
async def get_module(
    module_id: UUID, response: Response, call: Reading, versions: Versions = "current"
) -> answers.OfferingOut:
    return await _get(call, response, parts.MODULE, module_id, versions)


@router.put("/modules/{module_id}")
async def put_module(
    module_id: UUID,
    body: schemas.ModuleIn,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.OfferingOut:
    """Make it what the body says, also when it is not there yet; prices not named stay."""
    return await parts.put(call, response, parts.MODULE, module_id, body, expected)


@router.patch("/modules/{module_id}")
async def edit_module(
    module_id: UUID,
    body: schemas.ModulePatch,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.OfferingOut:
    """Change some fields. With `If-Match`, only when nobody else was faster."""
    return await parts.change(call, response, parts.MODULE, module_id, body, expected)


@router.post("/modules/{module_id}/archive")
async def archive_module(module_id: UUID, response: Response, call: Writing) -> answers.OfferingOut:
    """No new bookings; who has it, also by a plan, keeps it. A second time changes nothing."""
    return await _archive(call, response, parts.MODULE, module_id, archived=True)


@router.post("/modules/{module_id}/unarchive")
async def unarchive_module(
    module_id: UUID, response: Response, call: Writing
) -> answers.OfferingOut:
    """Offer it again."""
    return await _archive(call, response, parts.MODULE, module_id, archived=False)


@router.delete("/modules/{module_id}", status_code=204)
async def delete_module(module_id: UUID, call: Writing, expected: ExpectedVersion) -> Response:
    """Only what was never booked and is in no plan; else 409: it can be archived."""
    return await parts.delete(call, parts.MODULE, module_id, expected)
