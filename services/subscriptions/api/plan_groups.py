"""Plan groups and features."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

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


@router.get("/plan-groups")
async def list_plan_groups(call: Reading) -> answers.PlanGroupsOut:
    """All of them, the most important first."""
    found = await repository.get_whole_catalogue(call.tx)
    groups = sorted(found.groups.values(), key=lambda g: (-g.priority, g.name))
    return answers.PlanGroupsOut(items=[answers.group_out(group) for group in groups])


@router.post("/plan-groups", status_code=201)
async def create_plan_group(
    body: schemas.PlanGroupIn, response: Response, call: Writing
) -> answers.PlanGroupOut:
    return await parts.create(call, response, parts.GROUP, body)


@router.get("/plan-groups/{group_id}")
async def get_plan_group(group_id: UUID, response: Response, call: Reading) -> answers.PlanGroupOut:
    return await parts.get(call, response, parts.GROUP, group_id)


@router.put("/plan-groups/{group_id}")
async def put_plan_group(
    group_id: UUID,
    body: schemas.PlanGroupIn,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.PlanGroupOut:
    """Make it what the body says, also when it is not there yet."""
    return await parts.put(call, response, parts.GROUP, group_id, body, expected)


@router.patch("/plan-groups/{group_id}")
async def edit_plan_group(
    group_id: UUID,
    body: schemas.PlanGroupPatch,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.PlanGroupOut:
    """Change some fields. With `If-Match`, only when nobody else was faster."""
    return await parts.change(call, response, parts.GROUP, group_id, body, expected)


@router.delete("/plan-groups/{group_id}", status_code=204)
async def delete_plan_group(group_id: UUID, call: Writing, expected: ExpectedVersion) -> Response:
    """409 while a plan is in it."""
    return await parts.delete(call, parts.GROUP, group_id, expected)


@router.get("/features")
async def list_features(call: Reading) -> answers.FeaturesOut:
    """All of them by key."""
    found = await repository.get_whole_catalogue(call.tx)
    features = [found.features[key] for key in sorted(found.features)]
    return answers.FeaturesOut(items=[answers.feature_out(feature) for feature in features])


@router.post("/features", status_code=201)
async def create_feature(
    body: schemas.FeatureIn, response: Response, call: Writing
) -> answers.FeatureOut:
    return await parts.create(call, response, parts.FEATURE, body)


@router.get("/features/{feature_key}")
async def get_feature(
    feature_key: schemas.FeatureKey, response: Response, call: Reading
) -> answers.FeatureOut:
    return await parts.get(call, response, parts.FEATURE, feature_key)


@router.put("/features/{feature_key}")
async def put_feature(
    feature_key: schemas.FeatureKey,
    body: schemas.FeatureIn,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.FeatureOut:
    """Make it what the body says, also when it is not there yet."""
    return await parts.put(call, response, parts.FEATURE, feature_key, body, expected)


@router.patch("/features/{feature_key}")
async def edit_feature(
    feature_key: schemas.FeatureKey,
    body: schemas.FeaturePatch,
    response: Response,
    call: Writing,
    expected: ExpectedVersion,
) -> answers.FeatureOut:
    """Change some fields, but not the key. With `If-Match`, only when nobody else was faster."""
    return await parts.change(call, response, parts.FEATURE, feature_key, body, expected)


@router.delete("/features/{feature_key}", status_code=204)
async def delete_feature(
    feature_key: schemas.FeatureKey, call: Writing, expected: ExpectedVersion
) -> Response:
    """409 while a plan or module has it."""
    return await parts.delete(call, parts.FEATURE, feature_key, expected)
