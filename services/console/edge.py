"""The console's edge: headers that keep a page to itself, and pages for what goes wrong."""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.desk import FormForged, SignInNeeded
from services.console.gateways import Away, Refused
from services.console.sessions import forget_cookie, session_cookie
from services.console.views import bare_page
from shared import metrics
from shared.clock import new_id
from shared.correlation import correlated

__all__ = ["HANDLERS", "POLICY", "Guarded"]

_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
POLICY = "; ".join(f"{name} {source}" for name, source in _SOURCES.items())
_HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guarded:
    """Gives each answer its headers, each request the id that services log too; counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        status, started = 500, time.perf_counter()

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        try:
            with correlated(request_id):
                await self._app(scope, receive, send_guarded)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - started
            metrics.observe_request("console", scope["method"], route, status, seconds)


def _wrong(request: Request, status: int, title: str, text: str) -> Response:
    again = request.method == "GET" and status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return bare_page(request, "wrong.html", status, title=title, text=text, again=again)


async def _sign_in(request: Request, _: Exception) -> Response:
    known = request.method == "GET" and request.url.path != "/"
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/sign-in?{urlencode({'next': back})}" if known else "/sign-in"
    answer: Response = RedirectResponse(target, 303)
    if request.headers.get("hx-request"):  # else the form would appear inside a page
        answer = Response(headers={"hx-redirect": "/sign-in"})
    if session_cookie(request):
        forget_cookie(request, answer, "kontor_session")
    return answer


async def _forged(request: Request, _: Exception) -> Response:
    text = "It was opened before you signed in, or somewhere else. Go back, reload, send it again."
    return _wrong(request, 403, "This form is out of date", text)


async def _away(request: Request, error: Any) -> Response:
    text = f"The {error.service} service does not answer right now. Nothing was lost; try again."
    return _wrong(request, 503, "One moment", text)


async def _refused(request: Request, error: Any) -> Response:
    if error.status == HTTPStatus.UNAUTHORIZED:
        # The token was good when it was swapped: keys may have changed. The next request swaps.
        request.app.state.sessions.forget(session_cookie(request))
        return _wrong(request, 503, "One moment", "Please load this page again.")
    titles = {403: "Not for your role", 404: "Nothing here", 410: "Erased", 413: "Too long"}
    return _wrong(request, error.status, titles.get(error.status, "Not possible"), error.detail)


async def _not_found(request: Request, _: Exception) -> Response:
    return _wrong(request, 404, "Nothing here", "There is no such page.")


async def _http(request: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return await _not_found(request, error)
    answer = _wrong(request, error.status_code, "Not possible", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, _: Exception) -> Response:
    answer = _wrong(request, 500, "Something went wrong", "It has been logged. Please try again.")
    answer.headers.update(_HEADERS)  # the server's last resort is outside of `Guarded`
    return answer


_Handler = Callable[[Request, Any], Awaitable[Response]]
HANDLERS: tuple[tuple[type[Exception], _Handler], ...] = (
    (SignInNeeded, _sign_in),
    (FormForged, _forged),
    (Away, _away),
    (Refused, _refused),
    (RequestValidationError, _not_found),
    (HTTPException, _http),
    (Exception, _failed),
)
