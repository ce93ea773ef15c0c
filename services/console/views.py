"""Pages out of templates: escaped by default, and a name that is missing is an error."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from services.console import places, words
from services.console.deeds import deeds_of
from services.console.desk import Desk
from services.console.done import DONE
from services.console.sessions import csrf_of

__all__ = ["ASSETS", "bare_page", "page", "see_other"]

_JS, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


@cache
def _assets() -> dict[str, tuple[bytes, str, str]]:
    """Name -> content, media type, and the digest its address carries."""
    own, htmx = files("services.console") / "static", files("js_lib_htmx") / "static" / "htmx"
    found = {
        "console.css": (own / "console.css", _CSS),
        "console.js": (own / "console.js", _JS),
        "icon.svg": (own / "icon.svg", "image/svg+xml"),
        "htmx.js": (htmx / "htmx.min.js", _JS),
    }
    read = {name: (place.read_bytes(), kind) for name, (place, kind) in found.items()}
    return {
        name: (content, kind, sha256(content).hexdigest()[:16])
        for name, (content, kind) in read.items()
    }


ASSETS = _assets


def _asset(name: str) -> str:
    return f"/static/{_assets()[name][2]}/{name}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("services.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": _asset, "DONE": DONE}
    environment.filters |= {
        "money": words.money,
        "price": words.price,
        "day": words.day,
        "last_day": words.last_day,
        "span": words.span,
        "country": places.country_name,
        "language": places.language_name,
        "instant": words.instant,
        "name_of": words.name_of,
        "number": words.number,
        "card_pill": words.card_pill,
        "invoice_name": words.invoice_name,
        "invoice_pill": words.invoice_pill,
        "origin_label": words.origin_label,
        "why_label": words.why_label,
        "deeds": deeds_of,
        "delivery_pill": words.delivery_pill,
        "action_label": words.action_label,
        "changes": words.changes,
        "cycle": words.cycle_name,
        "audit_label": words.audit_label,
        "path": lambda text: quote(str(text), safe=""),
        "query": lambda pairs: urlencode({k: v for k, v in pairs.items() if v}),
    }
    return environment


_TEMPLATES = _environment()


def page(desk: Desk, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page of who is signed in."""
    query = desk.request.query_params
    html = _TEMPLATES.get_template(template).render(
        desk=desk,
        csrf=desk.csrf,
        operator=desk.operator,
        path=desk.request.url.path,
        done=DONE.get(query.get("done", ""), ""),
        **context,
    )
    return HTMLResponse(html, status)


def bare_page(
    request: Request,
    template: str,
    status: int = 200,
    *,
    visit: str = "",
    **context: Any,
) -> HTMLResponse:
    """A page of who is not signed in, or of what went wrong."""
    html = _TEMPLATES.get_template(template).render(
        csrf=csrf_of(visit) if visit else "",
        path=request.url.path,
        done=DONE.get(request.query_params.get("done", ""), ""),
        **context,
    )
    return HTMLResponse(html, status)


def see_other(path: str, parameters: Mapping[str, str] | None = None) -> Response:
    """After a form: the browser goes on with a GET, and a reload repeats nothing."""
    return RedirectResponse(f"{path}?{urlencode(parameters)}" if parameters else path, 303)
