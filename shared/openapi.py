"""What each route asks of its caller, as the OpenAPI documents say it."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from shared.auth import Rule, rule_of
from shared.idempotency import KEY_MAX_CHARS

__all__ = ["describe_access"]

SCHEME = "oauth2"
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request again: the same answer, and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX_CHARS},
}


def describe_access(app: FastAPI) -> None:
    """Have the app's document name scopes, and the `Idempotency-Key` of writes."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document, scopes = plain(), set[str]()  # `plain` keeps what it made, and we change it
            for route, rule in _guarded(app):
                for method in route.methods or ():
                    operation = document["paths"][route.path][method.lower()]
                    scopes |= _describe(operation, rule, method)
            schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes[SCHEME] = _scheme(scopes)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _guarded(app: FastAPI) -> list[tuple[APIRoute, Rule]]:
    found = (context.original_route for context in iter_route_contexts(app.routes))
    routes = [route for route in found if isinstance(route, APIRoute) and route.include_in_schema]
    return [(route, rule) for route in routes if (rule := rule_of(route))]


def _describe(operation: dict[str, Any], rule: Rule, method: str) -> set[str]:
    if method not in {"GET", "HEAD"} and not rule.confidential:
        operation.setdefault("parameters", []).append(_KEY)
    if rule.signed:
        operation["description"] += "\n\nNo token: the message is signed by its sender."
    if rule.scope is None:
        operation["security"] = []
        return set()
    operation["security"] = [{SCHEME: [rule.scope]}]
    return {rule.scope}


def _scheme(scopes: set[str]) -> dict[str, Any]:
    told = {scope: scope.replace(":", " - ") for scope in sorted(scopes)}
    flow = {"tokenUrl": "/oauth/token", "scopes": told}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}}
