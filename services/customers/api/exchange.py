"""Customers and users as CSV files, out and in."""

import asyncio
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from services.customers import schemas
from services.customers.domain.imports import Outcome
from services.customers.use_cases import exports, imports
from shared.auth import Call, access
from shared.csv_answers import CSV_OUT, streamed_csv
from shared.errors import InputInvalid
from shared.http import new_router

__all__ = ["router"]

router = new_router()

_CSV_IN: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}
DryRun = Annotated[bool, Query(description="Only tell what would be imported, and what is wrong.")]


@router.get("/customers/export", response_class=StreamingResponse, responses=CSV_OUT)
async def export_customers(
    request: Request, call: Annotated[Call, access("customers:read")]
) -> StreamingResponse:
    """All customers by number. Cells that a spreadsheet could run begin with an apostrophe."""
    del call
    pages = exports.all_customers(request.app.state.database)
    return streamed_csv("customers", schemas.CUSTOMER_COLUMNS, pages, schemas.customer_cells)


@router.get("/users/export", response_class=StreamingResponse, responses=CSV_OUT)
async def export_users(
    request: Request, call: Annotated[Call, access("customers:read")]
) -> StreamingResponse:
    """All users, oldest first. Cells that a spreadsheet could run begin with an apostrophe."""
    del call
    pages = exports.all_users(request.app.state.database)
    return streamed_csv("users", schemas.USER_COLUMNS, pages, schemas.user_cells)


@router.post("/customers/import", openapi_extra=_CSV_IN)
async def import_customers(
    request: Request, call: Annotated[Call, access("customers:write")], dry_run: DryRun = True
) -> schemas.ImportOut:
    """Create customers from a CSV file, and edit those whose `number` is given. All rows or none.

    The columns are those of the export, in any order; those that are missing stay as they are.
    """
    rows, bad = await asyncio.to_thread(schemas.read_customers, await _csv_body(request))
    outcome = await imports.import_customers(
        call.tx,
        rows,
        bad,
        dry_run=dry_run,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _told(outcome, dry_run=dry_run)


@router.post("/users/import", openapi_extra=_CSV_IN)
async def import_users(
    request: Request, call: Annotated[Call, access("customers:write")], dry_run: DryRun = True
) -> schemas.ImportOut:
    """Add users from a CSV file, and edit those whose `id` is given. All rows or none.

    Of a user that is there already, only salutation, first name, surname and e-mail may differ.
    """
    rows, bad = await asyncio.to_thread(schemas.read_users, await _csv_body(request))
    outcome = await imports.import_users(
        call.tx,
        rows,
        bad,
        dry_run=dry_run,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _told(outcome, dry_run=dry_run)


async def _csv_body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise InputInvalid("Content-Type", "must be text/csv")
    return await request.body()


def _told(outcome: Outcome[Any], *, dry_run: bool) -> schemas.ImportOut:
    return schemas.ImportOut(
        dry_run=dry_run,
        created=len(outcome.created),
        updated=len(outcome.updated),
        unchanged=outcome.unchanged,
        errors=[{"line": row.line, "field": row.field, "rule": row.rule} for row in outcome.bad],
    )
