"""Tokens for API clients (RFC 6749, 4.4) and the keys they are signed with."""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from services.identity import schemas
from services.identity.use_cases import keys, tokens
from services.identity.use_cases.tokens import OAuthRefusal
from shared.auth import Call, open_to_all
from shared.http import new_router

__all__ = ["router"]

router = new_router("")

_FORM_MAX_BYTES = 8_192
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {"type": "string", "description": "Default: all it has."},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/oauth/token",
    response_model=schemas.TokenOut,
    responses={
        400: {"model": schemas.OAuthErrorOut, "description": "RFC 6749, section 5.2"},
        401: {"model": schemas.OAuthErrorOut, "description": "The client is not authenticated"},
    },
    openapi_extra=_FORM,
)
async def issue_token(request: Request, call: Annotated[Call, open_to_all()]) -> Response:
    """Give an API client a token for its id and secret, as HTTP Basic or in the form."""
    in_header = request.headers.get("authorization", "")
    try:
        form = _form(request.headers.get("content-type", ""), await request.body())
        client_id, secret = _credentials(in_header, form)
        issued = await tokens.issue_for_client(
            call.tx,
            client_id,
            secret,
            frozenset(form["scope"].split()) if form.get("scope") else None,
            request.app.state.settings,
            now=call.now,
            new_id=call.new_id,
        )
    except OAuthRefusal as refusal:
        return _refused(refusal, basic=bool(in_header))
    answer = schemas.TokenOut(
        access_token=issued.token, expires_in=issued.expires_in, scope=" ".join(issued.scopes)
    )
    return _unstored(answer.model_dump(), 200)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthRefusal("invalid_request", "The body must be a form.")
    if len(body) > _FORM_MAX_BYTES:
        raise OAuthRefusal("invalid_request", "The form is too long.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The form is malformed.") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthRefusal("invalid_request", "A field must not be repeated.")
    if form.get("grant_type") != "client_credentials":
        code = "unsupported_grant_type" if "grant_type" in form else "invalid_request"
        raise OAuthRefusal(code, "grant_type must be client_credentials.")
    return form


def _credentials(header: str, form: dict[str, str]) -> tuple[str, str]:
    if not header:
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise OAuthRefusal("invalid_request", "Send the secret in one place only.")
    kind, _, encoded = header.partition(" ")
    if kind.lower() != "basic":
        raise OAuthRefusal("invalid_client", "The Authorization header must be Basic.")
    try:
        client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (Base64Error, ValueError) as error:
        raise OAuthRefusal("invalid_client", "The Authorization header is malformed.") from error
    return unquote_plus(client_id), unquote_plus(secret)


def _refused(refusal: OAuthRefusal, *, basic: bool) -> Response:
    unknown = refusal.code == "invalid_client"
    body = schemas.OAuthErrorOut(error=refusal.code, error_description=refusal.description)
    answer = _unstored(body.model_dump(), 401 if unknown else 400)
    if unknown and basic:
        answer.headers["www-authenticate"] = 'Basic realm="kontor"'
    return answer


def _unstored(body: dict[str, Any], status: int) -> Response:
    return JSONResponse(body, status, {"cache-control": "no-store"})


@router.get("/.well-known/jwks.json")
async def get_keys(response: Response, call: Annotated[Call, open_to_all()]) -> schemas.JwksOut:
    """The public keys of tokens; new ones are here before they sign."""
    response.headers["cache-control"] = "max-age=60"
    found = await keys.list_public_keys(call.tx, now=call.now)
    return schemas.JwksOut(keys=[schemas.JwkOut.model_validate(key) for key in found])
