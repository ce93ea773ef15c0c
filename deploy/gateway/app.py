"""The embedded gateway: all APIs in one process behind one address, without a proxy."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from re import Pattern
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import Request
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from deploy.gateway.routes import route_table
from shared.problems import problem

__all__ = ["OF_PROGRAMS", "Gateway", "merged_openapi"]


# What is for programs gets a program's answer even where there is nothing.
OF_PROGRAMS = re.compile(r"/(v1|oauth|\.well-known|docs|health|metrics)(/|$)")


class Gateway:
    """An ASGI application that hands each request to the service its path belongs to.

    Args:
        apps: the APIs by the name of their service.
        console: gets what is no path of an API; without it that is answered with 404.
    """

    def __init__(self, apps: Mapping[str, FastAPI], console: FastAPI | None = None) -> None:
        self._apps = apps
        self._console = console
        paths = route_table(apps)
        self._routes: list[tuple[Pattern[str], FastAPI]] = [
            # Literal paths before templates, so that `/a/b` is not taken for `/a/{id}`.
            (compile_path(path)[0], apps[paths[path]])
            for path in sorted(paths, key=lambda path: (path.count("{"), path))
        ]
        self._own = FastAPI(title="Kontor", lifespan=self._lifespan, openapi_url=None)
        self._own.add_api_route("/health", self._health, include_in_schema=False)
        self._own.add_api_route("/v1/openapi.json", self._openapi, include_in_schema=False)
        self._own.add_api_route("/docs", self._docs, include_in_schema=False)
        if console is None:
            self._own.add_api_route("/", self._docs, include_in_schema=False)
        self._own.add_exception_handler(404, self._not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: Any = self._own
        if scope["type"] == "http":
            found = (app for pattern, app in self._routes if pattern.match(scope["path"]))
            app = next(found, self._rest(scope["path"]))
        await app(scope, receive, send)

    def _rest(self, path: str) -> FastAPI:
        if self._console and not OF_PROGRAMS.match(path):
            return self._console
        return self._own

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        # Whoever is called by hand is not started by the server: enter each lifespan here.
        async with AsyncExitStack() as stack:
            for app in [*self._apps.values(), *([self._console] if self._console else [])]:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    async def _health(self) -> dict[str, str]:
        return {"status": "ok"}

    async def _openapi(self) -> dict[str, Any]:
        return merged_openapi(self._apps)

    async def _docs(self) -> HTMLResponse:
        return get_swagger_ui_html(openapi_url="/v1/openapi.json", title="Kontor API")

    async def _not_found(self, request: Request, _: Exception) -> JSONResponse:
        return problem(404, "not_found", f"There is nothing at {request.url.path}.")


def merged_openapi(apps: Mapping[str, FastAPI]) -> dict[str, Any]:
    """One document over all services; schemas of one name that differ get the service's name."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Kontor", "version": "1"},
        "paths": {},
        "components": {"schemas": {}},
    }
    for name, app in apps.items():
        document = app.openapi()
        schemas = document.get("components", {}).get("schemas", {})
        renamed = {
            schema: f"{name.capitalize()}{schema}"
            for schema, body in schemas.items()
            if merged["components"]["schemas"].get(schema, body) != body
        }
        merged["paths"] |= _with_references(document["paths"], renamed)
        for name_of, scheme in document["components"].get("securitySchemes", {}).items():
            _merge_scheme(merged["components"].setdefault("securitySchemes", {}), name_of, scheme)
        merged["components"]["schemas"] |= {
            renamed.get(schema, schema): _with_references(body, renamed)
            for schema, body in schemas.items()
        }
    return merged


def _merge_scheme(merged: dict[str, Any], name: str, scheme: dict[str, Any]) -> None:
    """One scheme with the scopes of all services."""
    known = merged.setdefault(name, deepcopy(scheme))
    known["flows"]["clientCredentials"]["scopes"] |= scheme["flows"]["clientCredentials"]["scopes"]


def _with_references(node: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: _reference(value, renamed) if key == "$ref" else _with_references(value, renamed)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_with_references(item, renamed) for item in node]
    return node


def _reference(target: str, renamed: Mapping[str, str]) -> str:
    folder, _, schema = target.rpartition("/")
    return f"{folder}/{renamed.get(schema, schema)}"
