"""Refusals and failures as problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from shared.errors import (
    Forbidden,
    InputInvalid,
    KontorError,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

__all__ = ["HANDLERS", "PROBLEM_SCHEMA", "problem", "unavailable"]

log = structlog.get_logger()

PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "rule": {"type": "string"}},
            },
        },
    },
}


class _ProblemResponse(JSONResponse):
    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        # As ASCII: what is quoted from a bad request may not be encodable otherwise.
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def problem(status: int, code: str, detail: str, **extra: Any) -> JSONResponse:
    """Problem details for HTTP APIs (RFC 9457)."""
    body = {
        "type": f"urn:kontor:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        **extra,
    }
    return _ProblemResponse(body, status)


def unavailable(error: Exception) -> Unavailable:
    log.warning("database unavailable", error=repr(error))
    return Unavailable("unavailable", "The service cannot reach its database; try again.")


async def refused(_: Request, error: KontorError) -> JSONResponse:
    extra = jsonable_encoder(error.extra)
    if isinstance(error, InputInvalid):
        extra.setdefault("errors", [{"field": e.field, "rule": e.rule} for e in error.errors])
    answer = problem(error.status, error.code, error.detail, **extra)
    answer.headers.update(_headers(error))
    return answer


def _headers(error: KontorError) -> dict[str, str]:
    match error:
        case Unavailable():
            found = {"retry-after": "1"}
        case PreconditionFailed():
            found = {"etag": f'"{error.version}"'}
        case TooManyRequests():
            found = {"retry-after": str(error.retry_after_s)}
        case Unauthenticated(code="token_missing"):  # RFC 6750, 3.1: then without an error code
            found = {"www-authenticate": 'Bearer realm="kontor"'}
        case Unauthenticated():
            description = f'error="invalid_token", error_description="{error.detail}"'
            found = {"www-authenticate": f'Bearer realm="kontor", {description}'}
        case Forbidden(code="scope_missing"):
            challenge = f'error="insufficient_scope", scope="{error.extra.get("scope", "")}"'
            found = {"www-authenticate": f'Bearer realm="kontor", {challenge}'}
        case _:
            found = {}
    return found


async def input_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    errors = [
        {"field": _field(e["loc"]), "rule": e["msg"].removeprefix("Value error, ")}
        for e in error.errors()
    ]
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return problem(400, "json_malformed", "The body is not valid JSON.", errors=errors)
    detail = "; ".join(f"{e['field']}: {e['rule']}" for e in errors[:5])
    return problem(422, "input_invalid", detail, errors=errors)


def _field(location: Sequence[str | int]) -> str:
    """`("body", "lines", 2, "price")` -> `lines[2].price`."""
    path = ""
    for part in location[1:] if len(location) > 1 else location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


async def http_error(_: Request, error: HTTPException) -> JSONResponse:
    codes = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
    code = codes.get(error.status_code, "http_error")
    answer = problem(error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def failed(_: Request, _error: Exception) -> JSONResponse:
    # The server logs it: Starlette raises it again once this has been sent.
    return problem(500, "internal_error", "Something went wrong here; it has been logged.")


HANDLERS: tuple[tuple[type[Exception], Any], ...] = (
    (KontorError, refused),
    (RequestValidationError, input_invalid),
    (HTTPException, http_error),
    (Exception, failed),
)
