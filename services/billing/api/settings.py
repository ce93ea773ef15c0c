from typing import Annotated

from fastapi import Request, Response

from services.billing import repository, schemas
from services.billing.use_cases import settings
from shared.auth import Call, access
from shared.errors import InputInvalid, NotFound
from shared.etags import ExpectedVersion, etag
from shared.events.billing import SettingsChanged
from shared.http import new_router

__all__ = ["router"]

router = new_router()

_PNG = "image/png"
_PNG_IN = {"requestBody": {"content": {_PNG: {"schema": {"type": "string", "format": "binary"}}}}}


@router.put("/settings/seller")
async def put_seller(
    body: schemas.SellerIn,
    response: Response,
    call: Annotated[Call, access("settings:write")],
    expected: ExpectedVersion,
) -> schemas.SellerOut:
    """Replace the seller's settings, but for the logo. Invoices keep those they were opened with.

    With `If-Match`, only when nobody else was faster: 412 has `current`.
    """
    saved = await settings.save_seller(
        call.tx,
        body.model_dump(),
        expected_version=expected,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(saved, response)


@router.get("/settings/seller")
async def get_seller(
    response: Response, call: Annotated[Call, access("settings:read")]
) -> schemas.SellerOut:
    return _out(await _found(call), response)


@router.put("/settings/seller/logo", openapi_extra=_PNG_IN)
async def put_logo(
    request: Request, response: Response, call: Annotated[Call, access("settings:write")]
) -> schemas.SellerOut:
    """Have a picture on documents from now on: a PNG of at most 256 KB."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _PNG:
        raise InputInvalid("Content-Type", f"must be {_PNG}")
    try:
        # Before any row is locked, and under its hash: rolled back it is a file that nobody names.
        key = await request.app.state.press.keep_logo(await request.body())
    except ValueError as error:
        raise InputInvalid("body", str(error)) from error
    return await _saved(key, response, call)


@router.delete("/settings/seller/logo")
async def delete_logo(
    response: Response, call: Annotated[Call, access("settings:write")]
) -> schemas.SellerOut:
    """Have the brand's name in its place. Documents that are drawn keep it."""
    return await _saved("", response, call)


@router.get(
    "/settings/seller/logo",
    response_class=Response,
    responses={200: {"content": {_PNG: {}}}},
)
async def get_logo(request: Request, call: Annotated[Call, access("settings:read")]) -> Response:
    found = await _found(call)
    if not found.logo_key:
        raise NotFound("logo", "of the seller")
    try:
        content = await request.app.state.press.store.get(found.logo_key)
    except FileNotFoundError as error:
        raise NotFound("logo", found.logo_key) from error
    return Response(content, media_type=_PNG, headers={"etag": f'"{_digest(found)}"'})


async def _found(call: Call) -> SettingsChanged:
    saved = await repository.get_seller(call.tx)
    if saved is None:
        raise NotFound("settings", "seller")
    return saved


async def _saved(logo_key: str, response: Response, call: Call) -> schemas.SellerOut:
    saved = await settings.save_logo(
        call.tx, logo_key, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return _out(saved, response)


def _out(saved: SettingsChanged, response: Response) -> schemas.SellerOut:
    response.headers["etag"] = etag(saved.version)
    values = saved.model_dump(exclude={"customer_id", "name", "logo_key"})
    chosen = {name: value for name, value in values.items() if value is not None}
    return schemas.SellerOut(**chosen, logo_sha256=_digest(saved))


def _digest(saved: SettingsChanged) -> str | None:
    """The document store names what it keeps after its content."""
    return saved.logo_key.rpartition("/")[2].partition(".")[0] or None
