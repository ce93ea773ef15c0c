"""What operators do with their own account."""

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from services.identity import schemas
from services.identity.repository import operators as repository
from services.identity.use_cases import account
from shared.auth import Call, access
from shared.clock import new_secret
from shared.errors import Forbidden, NotFound
from shared.http import new_router

__all__ = ["router"]

router = new_router()


def _own_id(call: Call) -> UUID:
    kind, _, ident = call.caller.subject.partition(":")
    try:
        if kind == "operator":
            return UUID(ident)
    except ValueError:
        pass
    raise Forbidden("operators_only", "Only operators have an account here.")


@router.get("/account")
async def get_account(call: Annotated[Call, access("account:read")]) -> schemas.OperatorOut:
    """The operator whose token this is."""
    row = await repository.get_operator(call.tx, _own_id(call))
    if row is None:
        raise NotFound("operator", _own_id(call))
    return schemas.OperatorOut.model_validate(row, from_attributes=True)


@router.post("/account/password", status_code=204)
async def change_password(
    body: schemas.PasswordChangeIn,
    call: Annotated[Call, access("account:write", confidential=True)],
) -> Response:
    """Change one's own password; all sessions end."""
    await account.change_password(
        call.tx,
        _own_id(call),
        body.current_password,
        body.new_password,
        now=call.now,
        new_id=call.new_id,
    )
    return Response(status_code=204)


@router.post("/account/totp")
async def begin_totp(
    body: schemas.PasswordIn,
    request: Request,
    call: Annotated[Call, access("account:write", confidential=True)],
) -> schemas.TotpOut:
    """Begin with an authenticator app."""
    secret, uri = await account.begin_totp(
        call.tx,
        _own_id(call),
        body.current_password,
        request.app.state.settings,
        new_secret=new_secret,
    )
    return schemas.TotpOut(secret=secret, uri=uri)


@router.post("/account/totp/confirm")
async def confirm_totp(
    body: schemas.CodeIn,
    request: Request,
    call: Annotated[Call, access("account:write", confidential=True)],
) -> schemas.RecoveryCodesOut:
    """From now on signing in asks for a code; the recovery codes are shown once."""
    codes = await account.confirm_totp(
        call.tx,
        _own_id(call),
        body.code,
        request.app.state.settings,
        now=call.now,
        new_id=call.new_id,
        new_secret=new_secret,
    )
    return schemas.RecoveryCodesOut(recovery_codes=codes)


@router.post("/account/totp/remove", status_code=204)
async def stop_totp(
    body: schemas.PasswordIn,
    call: Annotated[Call, access("account:write", confidential=True)],
) -> Response:
    """Sign in without a code again."""
    await account.stop_totp(
        call.tx, _own_id(call), body.current_password, now=call.now, new_id=call.new_id
    )
    return Response(status_code=204)
