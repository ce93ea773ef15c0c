"""Signing in and out, the token of a session, and choosing a new password."""

from typing import Annotated, Any

from fastapi import Header, Request, Response

from services.identity import schemas
from services.identity.use_cases import resets, sign_in, tokens
from services.identity.use_cases.sign_in import Refused, SignIn
from shared.auth import Call, open_to_all
from shared.clock import new_secret
from shared.http import new_router
from shared.problems import problem

__all__ = ["router"]

router = new_router()

SessionSecret = Annotated[str, Header(alias="kontor-session", min_length=1, max_length=200)]

_WORDS = {
    "wrong": (401, "sign_in_refused", "E-mail, password or code is wrong."),
    "code_required": (401, "code_required", "The code of the authenticator app is needed."),
    "blocked": (429, "sign_in_blocked", "Too many attempts; wait a moment."),
}


@router.post("/sessions", status_code=201, response_model=schemas.SessionOut)
async def open_session(
    body: schemas.SessionIn, request: Request, call: Annotated[Call, open_to_all()]
) -> Any:
    """Sign an operator in."""
    attempt = SignIn(
        body.email, body.password, body.code, request.client.host if request.client else "unknown"
    )
    result = await sign_in.sign_in(
        call.tx,
        attempt,
        request.app.state.settings,
        now=call.now,
        new_id=call.new_id,
        new_secret=new_secret,
    )
    if isinstance(result, Refused):
        # Returned, not raised: that it was counted is to be committed.
        answer = problem(*_WORDS[result.reason])
        if result.wait_s:
            answer.headers["retry-after"] = str(result.wait_s)
        return answer
    return schemas.SessionOut(
        session=result.secret,
        expires_at=result.expires_at,
        operator=schemas.OperatorOut.model_validate(result.operator, from_attributes=True),
    )


@router.post("/sessions/token")
async def swap_session(
    kontor_session: SessionSecret, request: Request, call: Annotated[Call, open_to_all()]
) -> schemas.OperatorTokenOut:
    """A token of a few minutes for the operator whose session this is."""
    issued = await tokens.issue_for_session(
        call.tx, kontor_session, request.app.state.settings, now=call.now, new_id=call.new_id
    )
    return schemas.OperatorTokenOut(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scope=" ".join(issued.scopes),
        operator=schemas.OperatorOut.model_validate(issued.operator, from_attributes=True),
    )


@router.delete("/sessions", status_code=204)
async def close_session(
    kontor_session: SessionSecret, call: Annotated[Call, open_to_all()]
) -> Response:
    """Sign out. Doing it twice changes nothing."""
    await sign_in.sign_out(call.tx, kontor_session, now=call.now, new_id=call.new_id)
    return Response(status_code=204)


@router.post("/password-resets", status_code=202, response_class=Response)
async def request_reset(body: schemas.ResetIn, call: Annotated[Call, open_to_all()]) -> Response:
    """Ask for a mail with a link. The answer does not tell whether anybody has this e-mail."""
    await resets.request_reset(call.tx, body.email, now=call.now, new_id=call.new_id)
    return Response(status_code=202)


@router.post("/password-resets/confirm", status_code=204)
async def use_reset(body: schemas.ResetConfirmIn, call: Annotated[Call, open_to_all()]) -> Response:
    """Choose a password with the token of a link, which works once."""
    await resets.use_reset(call.tx, body.token, body.new_password, now=call.now, new_id=call.new_id)
    return Response(status_code=204)
