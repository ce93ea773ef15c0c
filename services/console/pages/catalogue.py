"""The catalogue: all of it, its groups and features, and as a file."""

from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response

from services.console.desk import Desk, Form, Posted, Signed
from services.console.editing import Draft, blank_draft, draft_of, read_draft, refused_draft
from services.console.gateways import Refused, together
from services.console.places import choices
from services.console.products import HANDLE
from services.console.views import page, see_other
from shared.clock import new_id

__all__ = ["router"]

router = APIRouter(prefix="/catalogue")

PartKind = Literal["groups", "features"]
AnyKind = Literal["groups", "features", "plans", "modules"]
_PATHS = {"groups": "/plan-groups", "features": "/features"}
_FIELDS = {
    "groups": (HANDLE, "name", "country", "priority"),
    "features": (HANDLE, "label"),
}
_YAML = "application/yaml"


@router.get("")
async def show_catalogue(desk: Signed) -> Response:
    panels = await together(found=desk.subscriptions.get("/catalogue"))
    return page(desk, "catalogue/list.html", found=panels["found"])


# -- as a file ---------------------------------------------------------------------------------


@router.get("/file")
async def download_catalogue(desk: Signed) -> Response:
    answer = await desk.subscriptions.send("GET", "/catalogue/export")
    headers = {"content-disposition": 'attachment; filename="catalogue.yaml"'}
    return Response(answer.content, headers=headers, media_type=f"{_YAML}; charset=utf-8")


@router.get("/upload")
async def show_upload(desk: Signed) -> Response:
    desk.need("catalogue:write")
    return page(desk, "catalogue/upload.html", text="", missing=False, trouble=[])


@router.post("/upload")
async def upload_catalogue(desk: Signed, form: Posted) -> Response:
    """Show what a file changes; with `version`, the ETag of what was shown, save it."""
    text, missing = form["file"] or form["text"], form["archive_missing"] == "on"
    version = form["version"] if form["version"].isdecimal() else ""
    try:
        answer = await desk.subscriptions.send(
            "POST",
            "/catalogue/import",
            params={"dry_run": not version, "archive_missing": missing},
            content=text.encode(),
            headers={"content-type": _YAML, **({"if-match": f'"{version}"'} if version else {})},
        )
    except Refused as refused:
        if refused.code == "version_changed":
            return _changes(desk, text, await _planned(desk, text, missing), missing, changed=True)
        found = [f"{e['field']}: {e['rule']}" for e in refused.problem.get("errors", ())]
        trouble = found or [refused.detail]
        status = refused.status
        context = {"text": text, "missing": missing, "trouble": trouble}
        return page(desk, "catalogue/upload.html", status, **context)
    if version:
        return see_other("/catalogue", {"done": "catalogue-saved"})
    return _changes(desk, text, answer, missing)


async def _planned(desk: Desk, text: str, missing: bool) -> Any:
    return await desk.subscriptions.send(
        "POST",
        "/catalogue/import",
        params={"dry_run": True, "archive_missing": missing},
        content=text.encode(),
        headers={"content-type": _YAML},
    )


def _changes(
    desk: Desk, text: str, answer: Any, missing: bool, *, changed: bool = False
) -> Response:
    return page(
        desk,
        "catalogue/changes.html",
        409 if changed else 200,
        text=text,
        found=answer.json(),
        version=answer.headers["etag"].strip('"'),
        missing=missing,
        changed=changed,
    )


# -- groups and features -----------------------------------------------------------------------


@router.get("/parts/{kind}/new")
async def show_new_part(kind: PartKind, desk: Signed) -> Response:
    desk.need("catalogue:write")
    texts = dict.fromkeys(_FIELDS[kind], "")
    return _form(desk, kind, blank_draft({**texts, "priority": "0"} if kind == "groups" else texts))


@router.post("/parts/{kind}/new")
async def add_part(kind: PartKind, desk: Signed, form: Posted) -> Response:
    typed = {name: form[name] for name in _FIELDS[kind]}
    given = {name: text for name, text in typed.items() if text}
    try:
        await desk.subscriptions.post(_PATHS[kind], _body(given), headers=form.once)
    except Refused as refused:
        draft = refused_draft(blank_draft(typed), _by_field(refused))
        return _form(desk, kind, draft, refused.status)
    return see_other("/catalogue", {"done": "saved"})


@router.get("/parts/{kind}/{ident}")
async def show_part(kind: PartKind, ident: str, desk: Signed) -> Response:
    found = await desk.subscriptions.get(_path(kind, ident))
    return _form(desk, kind, draft_of(_shown(found), _FIELDS[kind]), ident=ident)


@router.post("/parts/{kind}/{ident}")
async def edit_part(kind: PartKind, ident: str, desk: Signed, form: Posted) -> Response:
    draft = read_draft(form, _FIELDS[kind])
    try:
        if changes := _body(draft.changed):
            await desk.subscriptions.patch(_path(kind, ident), changes, version=draft.version)
    except Refused as refused:
        draft = refused_draft(draft, _by_field(refused))
        return _form(desk, kind, draft, refused.status, ident=ident)
    return see_other("/catalogue", {"done": "saved"})


def _path(kind: AnyKind, ident: str) -> str:
    return f"{_PATHS.get(kind, f'/{kind}')}/{quote(ident, safe='')}"


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    texts = {name: "" if value is None else value for name, value in found.items()}
    return {**texts, HANDLE: found["key"]}


def _by_field(refused: Refused) -> Refused:
    """The same refusal by the names of the form's fields."""
    problem = dict(refused.problem)
    if current := problem.get("current"):
        problem["current"] = _shown(current)
    found = Refused(refused.status, problem)
    found.errors = {
        HANDLE if name == "key" else name: rule for name, rule in refused.errors.items()
    }
    return found


def _body(texts: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"key" if name == HANDLE else name: t for name, t in texts.items()}
    if "country" in body:
        body["country"] = body["country"] or None
    if body.get("priority", "").lstrip("-").isdecimal():
        body["priority"] = int(body["priority"])
    return body


def _form(
    desk: Desk, kind: PartKind, draft: Draft, status: int = 200, *, ident: str = ""
) -> Response:
    return page(
        desk,
        "catalogue/part.html",
        status,
        kind=kind,
        thing="plan group" if kind == "groups" else "feature",
        draft=draft,
        ident=ident,
        countries=choices()["country"],
        key=new_id(),
    )


# -- deleting ----------------------------------------------------------------------------------


@router.get("/delete/{kind}/{ident}")
async def ask_to_delete(kind: AnyKind, ident: str, desk: Signed) -> Response:
    desk.need("catalogue:write")
    return await _question(desk, kind, ident)


@router.post("/delete/{kind}/{ident}")
async def delete_part(kind: AnyKind, ident: str, desk: Signed, form: Posted) -> Response:
    version = _version(form)
    headers = {"if-match": f'"{version}"'} if version else {}
    try:
        await desk.subscriptions.send("DELETE", _path(kind, ident), headers=headers)
    except Refused as refused:
        return await _question(desk, kind, ident, refused)
    return see_other("/catalogue", {"done": "deleted"})


def _version(form: Form) -> str:
    return form["version"] if form["version"].isdecimal() else ""


async def _question(
    desk: Desk, kind: AnyKind, ident: str, refused: Refused | None = None
) -> Response:
    found = await desk.subscriptions.get(_path(kind, ident))
    return page(
        desk,
        "catalogue/ask.html",
        refused.status if refused else 200,
        kind=kind,
        ident=ident,
        name=found["label"] if kind == "features" else found["name"],
        version=found["version"],
        trouble=refused.detail if refused else "",
    )
