"""The catalogue as one document."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.catalogue_document import Entry
from services.subscriptions.schemas import catalogue as schemas
from services.subscriptions.schemas import catalogue_answers as answers
from services.subscriptions.schemas.catalogue_file import read_file, write_file
from services.subscriptions.use_cases import catalogue
from shared.auth import Call, access
from shared.errors import InputInvalid, PreconditionFailed
from shared.etags import ExpectedVersion, etag
from shared.http import new_router

__all__ = ["router"]

router = new_router()

_YAML = "application/yaml"  # RFC 9512
_FILE_IN: dict[str, Any] = {
    "requestBody": {"required": True, "content": {_YAML: {"schema": {"type": "object"}}}}
}
_FILE_OUT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The whole catalogue",
        "content": {
            _YAML: {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}
DryRun = Annotated[bool, Query(description="Only tell what would change.")]
ArchiveMissing = Annotated[
    bool, Query(description="Archive the plans and modules that are not named.")
]


@router.put(
    "/catalogue",
    status_code=204,
    responses={200: {"model": answers.ChangesOut, "description": "With `dry_run`"}},
)
async def put_catalogue(
    body: schemas.CatalogueIn,
    call: Annotated[Call, access("catalogue:write")],
    expected: ExpectedVersion,
    dry_run: DryRun = False,
    archive_missing: ArchiveMissing = False,
) -> Response:
    """Add or change the plans, modules, features and prices named; the rest stays.

    With `If-Match`, the ETag of an export, only when nobody else has changed anything since.
    """
    saved = await _save(call, schemas.entries_of(body), expected, dry_run, archive_missing)
    headers = {"etag": etag(answers.catalogue_version(saved.catalogue))}
    if not dry_run:
        return Response(status_code=204, headers=headers)
    told = answers.changes_out(saved.changes, saved.missing, dry_run=True)
    return JSONResponse(told.model_dump(mode="json"), headers=headers)


@router.post("/catalogue/import", openapi_extra=_FILE_IN)
async def import_catalogue(
    request: Request,
    response: Response,
    call: Annotated[Call, access("catalogue:write")],
    expected: ExpectedVersion,
    dry_run: DryRun = True,
    archive_missing: ArchiveMissing = False,
) -> answers.ChangesOut:
    """Save a catalogue from a YAML file, as `PUT /catalogue` does, and tell what changes.

    Whatever is wrong with it is told with its line.
    """
    content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content not in (_YAML, "application/json"):
        raise InputInvalid("Content-Type", f"must be {_YAML}")
    file = await asyncio.to_thread(read_file, await request.body())
    try:
        entries = schemas.entries_of(file.document)
        saved = await _save(call, entries, expected, dry_run, archive_missing)
    except InputInvalid as error:
        raise file.located(error) from error
    # With a dry run that of the catalogue as it is: what the changes were worked out for.
    now_is = await repository.get_whole_catalogue(call.tx) if dry_run else saved.catalogue
    response.headers["etag"] = etag(answers.catalogue_version(now_is))
    return answers.changes_out(saved.changes, saved.missing, dry_run=dry_run)


async def _save(
    call: Call, entries: Sequence[Entry], expected: int | None, dry_run: bool, archive_missing: bool
) -> catalogue.Saved:
    return await catalogue.save_catalogue(
        call.tx,
        entries,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
        dry_run=dry_run,
        archive_missing=archive_missing,
        precondition=_unchanged_since(expected),
    )


def _unchanged_since(expected: int | None) -> Callable[[Catalogue], None]:
    def check(found: Catalogue) -> None:
        version = answers.catalogue_version(found) if expected is not None else None
        if version is not None and version != expected:
            raise PreconditionFailed(
                "version_changed",
                "Somebody changed the catalogue meanwhile.",
                version=version,
                current=answers.document_of(found),
            )

    return check


@router.get("/catalogue")
async def get_catalogue(
    call: Annotated[Call, access("catalogue:read", per_customer=True)],  # the same for all
) -> answers.CatalogueOut:
    found = await repository.get_whole_catalogue(call.tx)
    offerings = answers.in_order(found.offerings.values())
    groups = sorted(found.groups.values(), key=lambda g: (-g.priority, g.name))
    return answers.CatalogueOut(
        groups=[answers.group_out(group) for group in groups],
        features=[answers.feature_out(found.features[key]) for key in sorted(found.features)],
        plans=[answers.offering_out(o, found.prices) for o in offerings if o.kind == "plan"],
        modules=[answers.offering_out(o, found.prices) for o in offerings if o.kind == "module"],
    )


@router.get("/catalogue/export", responses=_FILE_OUT)
async def export_catalogue(
    call: Annotated[Call, access("catalogue:read", per_customer=True)],
    format: Literal["yaml", "json"] = "yaml",  # noqa: A002 - the word of the API
) -> Response:
    """The whole catalogue as a file that can be imported: always in the same order."""
    found = await repository.get_whole_catalogue(call.tx)
    document = answers.document_of(found)
    headers = {
        "etag": etag(answers.catalogue_version(found)),
        "content-disposition": f'attachment; filename="catalogue.{format}"',
    }
    if format == "json":
        return JSONResponse(document, headers=headers)
    text = await asyncio.to_thread(write_file, document)
    return Response(text, headers=headers, media_type=f"{_YAML}; charset=utf-8")
