import re
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response

from services.customers import repository, schemas, use_cases
from services.customers.domain.customer import Customer
from shared.auth import Call, access
from shared.errors import InputInvalid, NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.post("/customers", status_code=201)
async def create_customer(
    body: schemas.CustomerIn, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.CustomerOut:
    """Currency, language and time zone default from the country."""
    values = body.model_dump(exclude_none=True)
    customer = await use_cases.create_customer(call.tx, values, now=call.now, new_id=call.new_id)
    response.headers["location"] = f"/v1/customers/{customer.id}"
    return _out(customer, response)


@router.get("/customers")
async def list_customers(
    call: Annotated[Call, access("customers:read")],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.CustomersOut:
    """Newest first."""
    found, following = await repository.list_customers(call.tx, after=after, limit=limit)
    return schemas.CustomersOut(
        items=[schemas.CustomerOut(**asdict(c)) for c in found], next=following
    )


@router.get("/customers/{customer_id}")
async def get_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:read")]
) -> schemas.CustomerOut:
    customer = await repository.get_customer(call.tx, customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    return _out(customer, response)


@router.patch("/customers/{customer_id}")
async def edit_customer(
    customer_id: UUID,
    body: schemas.CustomerPatch,
    response: Response,
    call: Annotated[Call, access("customers:write")],
    if_match: Annotated[str | None, Header()] = None,
) -> schemas.CustomerOut:
    """Change some fields. With `If-Match`, only when nobody else was faster."""
    customer = await use_cases.edit_customer(
        call.tx,
        customer_id,
        body.changes(),
        expected_version=_version(if_match),
        now=call.now,
        new_id=call.new_id,
    )
    return _out(customer, response)


def _out(customer: Customer, response: Response) -> schemas.CustomerOut:
    response.headers["etag"] = f'"{customer.version}"'
    return schemas.CustomerOut(**asdict(customer))


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    if not re.fullmatch(r'"[0-9]{1,40}"', if_match):
        raise InputInvalid("If-Match", "must be the ETag of a customer")
    return int(if_match.strip('"'))
