"""Coming in and going out: signing in, signing out, choosing a password by a mailed link."""

from fastapi import APIRouter, Request, Response

from services.console.desk import Posted, Signed, Visited, stranger
from services.console.gateways import Refused
from services.console.sessions import (
    forget_cookie,
    keep_cookie,
    local_path,
    session_cookie,
    visit_cookie,
)
from services.console.views import bare_page, see_other
from shared.clock import new_secret

__all__ = ["router"]

router = APIRouter()


def _bare_form(request: Request, template: str, status: int = 200, **context: object) -> Response:
    """A form for who is not signed in; the visit it belongs to begins with it."""
    visit = visit_cookie(request) or new_secret()
    answer = bare_page(request, template, status, visit=visit, **context)
    keep_cookie(request, answer, "kontor_visit", visit)
    return answer


@router.get("/sign-in")
async def show_sign_in(request: Request) -> Response:
    return _bare_form(
        request,
        "door/sign_in.html",
        next=local_path(request.query_params.get("next", "/")),
        email="",
        password="",
        ask_code=False,
        trouble="",
    )


@router.post("/sign-in")
async def sign_in(request: Request, form: Visited) -> Response:
    """Password first, and the code only from who needs one."""
    target = local_path(form["next"] or "/")
    given = {"email": form["email"], "password": form.raw("password"), "code": form["code"]}
    try:
        answer = await stranger(request).post("/sessions", given)
    except Refused as refused:
        asked = refused.code == "code_required"
        return _bare_form(
            request,
            "door/sign_in.html",
            200 if asked else refused.status,
            next=target,
            email=given["email"],
            # Kept only between the two steps, in the page of who has just typed it.
            password=given["password"] if asked or given["code"] else "",
            ask_code=asked or bool(given["code"]),
            trouble="" if asked else refused.detail,
        )
    response = see_other(target)
    keep_cookie(request, response, "kontor_session", answer["session"])
    forget_cookie(request, response, "kontor_visit")
    return response


@router.post("/sign-out")
async def sign_out(request: Request, _desk: Signed, _posted: Posted) -> Response:
    secret = session_cookie(request)
    request.app.state.sessions.forget(secret)
    await stranger(request).send("DELETE", "/sessions", headers={"kontor-session": secret})
    response = see_other("/sign-in", {"done": "signed-out"})
    forget_cookie(request, response, "kontor_session")
    return response


@router.get("/password")
async def show_password(request: Request) -> Response:
    """Where mailed links lead. Their token stands behind a #, so that no server logs it."""
    return _bare_form(request, "door/password.html", errors={}, trouble="", token="")


@router.post("/password")
async def choose_password(request: Request, form: Visited) -> Response:
    token, password = form["token"].rpartition("#")[2], form.raw("new_password")
    try:
        body = {"token": token, "new_password": password}
        await stranger(request).post("/password-resets/confirm", body)
    except Refused as refused:
        trouble = "" if refused.errors else refused.detail
        return _bare_form(
            request,
            "door/password.html",
            refused.status,
            errors=refused.errors,
            trouble=trouble,
            token=token,
        )
    return see_other("/sign-in", {"done": "password"})


@router.get("/forgotten")
async def show_forgotten(request: Request) -> Response:
    return _bare_form(request, "door/forgotten.html", trouble="")


@router.post("/forgotten")
async def request_password(request: Request, form: Visited) -> Response:
    try:
        await stranger(request).post("/password-resets", {"email": form["email"]})
    except Refused as refused:
        return _bare_form(request, "door/forgotten.html", refused.status, trouble=refused.detail)
    return see_other("/sign-in", {"done": "reset-sent"})
