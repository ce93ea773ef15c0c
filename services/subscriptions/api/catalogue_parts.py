"""What the routes of plan groups, features, plans and modules have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue, Kind
from services.subscriptions.domain.catalogue_document import Part
from services.subscriptions.schemas import catalogue as schemas
from services.subscriptions.schemas import catalogue_answers as answers
from services.subscriptions.use_cases import catalogue
from shared.auth import Call
from shared.errors import Conflict, InputInvalid, NotFound, PreconditionFailed
from shared.etags import etag

__all__ = [
    "FEATURE",
    "GROUP",
    "MODULE",
    "PLAN",
    "Shape",
    "change",
    "create",
    "delete",
    "get",
    "put",
]

Ident = UUID | str
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Shape(Generic[_Out]):
    """One kind of parts.

    Attributes:
        path: of its collection.
        model: what it is made of.
        items: those of a catalogue, by id or key.
        out: how one is shown.
    """

    part: Part
    path: str
    model: type[schemas.PartIn]
    items: Callable[[Catalogue], Mapping[Any, Any]]
    out: Callable[[Any, Catalogue], _Out]


def _products(kind: Kind) -> Callable[[Catalogue], Mapping[Any, Any]]:
    return lambda found: {i: o for i, o in found.offerings.items() if o.kind == kind}


def _product_out(offering: Any, found: Catalogue) -> answers.OfferingOut:
    return answers.offering_out(offering, found.prices)


GROUP = Shape(
    "group",
    "plan-groups",
    schemas.PlanGroupIn,
    lambda found: found.groups,
    lambda group, _: answers.group_out(group),
)
FEATURE = Shape(
    "feature",
    "features",
    schemas.FeatureIn,
    lambda found: found.features,
    lambda feature, _: answers.feature_out(feature),
)
PLAN = Shape("plan", "plans", schemas.PlanIn, _products("plan"), _product_out)
MODULE = Shape("module", "modules", schemas.ModuleIn, _products("module"), _product_out)


def _found(shape: Shape[Any], ident: Ident, found: Catalogue) -> Any:
    item = shape.items(found).get(ident)
    if item is None:
        raise NotFound(shape.part, ident)
    return item


def _shown(response: Response, shape: Shape[_Out], ident: Ident, found: Catalogue) -> _Out:
    item = _found(shape, ident, found)
    response.headers["etag"] = etag(item.version)
    return shape.out(item, found)


def _expecting(
    shape: Shape[Any], ident: Ident, expected: int | None
) -> Callable[[Catalogue], None]:
    """Refuse when somebody was faster than who expects this version."""

    def check(found: Catalogue) -> None:
        if expected is None:
            return
        item = _found(shape, ident, found)
        if item.version != expected:
            raise PreconditionFailed(
                "version_changed",
                f"Somebody changed it meanwhile; it is at version {item.version} now.",
                version=item.version,
                current=shape.out(item, found).model_dump(mode="json"),
            )

    return check


async def get(call: Call, response: Response, shape: Shape[_Out], ident: Ident) -> _Out:
    return _shown(response, shape, ident, await repository.get_whole_catalogue(call.tx))


async def create(call: Call, response: Response, shape: Shape[_Out], body: schemas.PartIn) -> _Out:
    """Add a part with the id or key that was chosen for it, or with one that is made."""
    chosen = body.entry()

    def is_new(found: Catalogue) -> None:
        items = shape.items(found)
        if chosen.id in items or chosen.key in {item.key for item in items.values()}:
            raise Conflict(
                f"{shape.part}_exists", f"There is a {shape.part} {chosen.id or chosen.key}."
            )

    saved = await _save(call, body, is_new)
    (made,) = saved.changes
    response.headers["location"] = f"/v1/{shape.path}/{made.ident}"
    return _shown(response, shape, made.ident, saved.catalogue)


async def put(
    call: Call,
    response: Response,
    shape: Shape[_Out],
    ident: Ident,
    body: schemas.PartIn,
    expected: int | None,
) -> _Out:
    """Make the part what the body says, whether it is there already or not."""
    given = body.entry()
    name, value = ("key", given.key) if shape.part == "feature" else ("id", given.id)
    if value not in (None, ident):
        raise InputInvalid(name, "must be that of the path")
    saved = await _save(call, body, _expecting(shape, ident, expected), ident=ident)
    return _shown(response, shape, ident, saved.catalogue)


async def change(
    call: Call,
    response: Response,
    shape: Shape[_Out],
    ident: Ident,
    body: schemas.PartIn,
    expected: int | None,
) -> _Out:
    """Change the fields that are named; prices by currency and cycle."""
    changes = body.model_dump(exclude_unset=True)
    if not changes:
        raise InputInvalid("body", "must name at least one field to change")
    known = await catalogue.lock_whole_catalogue(call.tx)
    item = _found(shape, ident, known)
    try:
        whole = shape.model.model_validate(answers.as_given(item, known) | changes)
    except ValidationError as invalid:
        raise RequestValidationError(
            [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        ) from invalid
    return await put(call, response, shape, ident, whole, expected)


async def delete(call: Call, shape: Shape[Any], ident: Ident, expected: int | None) -> Response:
    await catalogue.delete_part(
        call.tx,
        shape.part,
        ident,
        precondition=_expecting(shape, ident, expected),
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return Response(status_code=204)


async def _save(
    call: Call,
    body: schemas.PartIn,
    precondition: Callable[[Catalogue], None],
    *,
    ident: Ident | None = None,
) -> catalogue.Saved:
    entry = body.entry()
    if isinstance(ident, UUID):
        entry = replace(entry, id=ident)
    return await catalogue.save_catalogue(
        call.tx,
        [entry],
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
        precondition=precondition,
    )
