from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.customers import schemas
from services.customers.domain.user import User
from services.customers.use_cases import users
from shared.auth import Call, access
from shared.etags import ExpectedVersion, etag
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/customers/{customer_id}/users")
async def list_users(
    customer_id: UUID,
    call: Annotated[Call, access("customers:read")],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.UsersOut:
    """Newest first."""
    found, following = await users.list_users(call.tx, customer_id, after=after, limit=limit)
    return schemas.UsersOut(
        items=[schemas.UserOut.model_validate(user) for user in found], next=following
    )


@router.post("/customers/{customer_id}/users", status_code=201)
async def add_user(
    customer_id: UUID,
    body: schemas.UserIn,
    response: Response,
    call: Annotated[Call, access("customers:write")],
) -> schemas.UserOut:
    """Add an active user. 409 when the plan has no seat left or the e-mail address is taken."""
    user = await users.add_user(
        call.tx,
        customer_id,
        body.model_dump(),
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    response.headers["location"] = f"/v1/users/{user.id}"
    return _out(user, response)


@router.get("/users/{user_id}")
async def get_user(
    user_id: UUID, response: Response, call: Annotated[Call, access("customers:read")]
) -> schemas.UserOut:
    return _out(await users.read_user(call.tx, user_id), response)


@router.patch("/users/{user_id}")
async def edit_user(
    user_id: UUID,
    body: schemas.UserPatch,
    response: Response,
    call: Annotated[Call, access("customers:write")],
    expected: ExpectedVersion,
) -> schemas.UserOut:
    """Change salutation, first name, surname or e-mail address; nothing else can be changed.

    A new e-mail address sends no mail. With `If-Match`, only when nobody else was faster.
    """
    user = await users.edit_user(
        call.tx,
        user_id,
        body.changes(),
        expected_version=expected,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(user, response)


@router.post("/users/{user_id}/deactivate")
async def deactivate_user(
    user_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.UserOut:
    """Free the seat. A second time changes nothing."""
    return await _switch(user_id, response, call, active=False)


@router.post("/users/{user_id}/reactivate")
async def reactivate_user(
    user_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.UserOut:
    """Take a seat again; 409 when there is none. A second time changes nothing."""
    return await _switch(user_id, response, call, active=True)


async def _switch(
    user_id: UUID, response: Response, call: Call, *, active: bool
) -> schemas.UserOut:
    user = await users.switch_user(
        call.tx, user_id, active=active, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return _out(user, response)


def _out(user: User, response: Response) -> schemas.UserOut:
    response.headers["etag"] = etag(user.version)
    return schemas.UserOut.model_validate(user)
