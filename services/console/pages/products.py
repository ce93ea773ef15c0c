"""One plan or module: its form, archiving it, deleting it."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response

from services.console.desk import Desk, Posted, Signed
from services.console.editing import Draft, blank_draft, draft_of, read_draft, refused_draft
from services.console.gateways import Refused
from services.console.places import language_name
from services.console.products import CYCLES, Board, Kind, body_of, flat, with_flat_errors
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/catalogue/products")

Switch = Literal["archive", "unarchive"]
_BLANK: dict[str, Any] = {
    "version": "",
    "max_users": 0,
    "trial_days": 0,
    "priority": 0,
    "group_id": "",
    "is_free": False,
    "recommended": False,
    "is_default": False,
    "bookable": True,
    "translations": {},
    "features": {},
    "included_modules": [],
    "prices": [],
}


async def _board(desk: Desk, kind: Kind) -> Board:
    return Board.of(kind, await desk.subscriptions.get("/catalogue"))


@router.get("/{kind}/new")
async def show_new_product(kind: Kind, desk: Signed) -> Response:
    desk.need("catalogue:write")
    board = await _board(desk, kind)
    texts = flat(_BLANK, board)
    texts.pop("version")
    return _form(desk, board, blank_draft(texts))


@router.post("/{kind}/new")
async def add_product(kind: Kind, desk: Signed, form: Posted) -> Response:
    board = await _board(desk, kind)
    typed = {name: form[name] for name in board.fields}
    blank = flat(_BLANK, board)
    # What stands in the form is what was seen: no default of the service comes in unseen.
    body = {"name": typed["name"], **body_of(typed, blank, board)}
    try:
        made = await desk.subscriptions.post(f"/{kind}", body, headers=form.once)
    except Refused as refused:
        draft = refused_draft(blank_draft(typed), with_flat_errors(refused, body, board))
        return _form(desk, board, draft, refused.status)
    return see_other(f"/catalogue/products/{kind}/{made['id']}", {"done": "saved"})


@router.get("/{kind}/{product_id}")
async def show_product(kind: Kind, product_id: UUID, desk: Signed) -> Response:
    found = await desk.subscriptions.get(f"/{kind}/{product_id}")
    board = await _board(desk, kind)
    return _form(desk, board, draft_of(flat(found, board), board.fields), found=found)


@router.post("/{kind}/{product_id}")
async def edit_product(kind: Kind, product_id: UUID, desk: Signed, form: Posted) -> Response:
    board = await _board(desk, kind)
    draft = read_draft(form, board.fields)
    body = body_of(draft.typed, draft.was, board)
    path = f"/{kind}/{product_id}"
    try:
        if body:
            await desk.subscriptions.patch(path, body, version=draft.version)
    except Refused as refused:
        found = await desk.subscriptions.get(path)
        draft = refused_draft(draft, with_flat_errors(refused, body, board))
        return _form(desk, board, draft, refused.status, found=found)
    return see_other(f"/catalogue/products{path}", {"done": "saved"})


@router.post("/{kind}/{product_id}/{verb}")
async def switch_product(
    kind: Kind, product_id: UUID, verb: Switch, desk: Signed, _posted: Posted
) -> Response:
    await desk.subscriptions.post(f"/{kind}/{product_id}/{verb}")
    return see_other(f"/catalogue/products/{kind}/{product_id}", {"done": f"product-{verb}d"})


def _form(
    desk: Desk, board: Board, draft: Draft, status: int = 200, *, found: Any = None
) -> Response:
    return page(
        desk,
        "catalogue/product.html",
        status,
        board=board,
        kind=board.kind,
        thing=board.kind.removesuffix("s"),
        cycles=CYCLES[board.kind],
        language_name=language_name,
        draft=draft,
        found=found,
        key=new_id(),
    )
