from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from services.customers import schemas
from services.customers.domain.customer import Customer, Verb
from services.customers.schemas.customers import Country
from services.customers.use_cases import customers, exports, lifecycle, searching
from services.customers.use_cases.one_customer import read_customer
from shared.auth import Call, access
from shared.etags import ExpectedVersion, etag
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
    customer = await customers.create_customer(
        call.tx, values, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    response.headers["location"] = f"/v1/customers/{customer.id}"
    return _out(customer, response)


@router.get("/customers")
async def list_customers(
    call: Annotated[Call, access("customers:read")],
    search: Annotated[str, Query(max_length=200)] = "",
    sort: Annotated[str | None, Query(max_length=20)] = None,
    status: Literal["active", "deactivated"] | None = None,
    country: Country | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.CustomersOut:
    """Customers in the order `sort`: `created`, `name` or `number`, with `-` before it downwards.

    Without it the newest first, or with `search` the best first. A search goes by company, person,
    city, e-mail address and customer number; words may be half typed or misspelt, and all of them
    must fit. It finds 200 customers at most.
    """
    filters = {"status": status, "country": country}
    if search:
        page = await searching.search_customers(
            call.tx, search, filters, sort=sort, after=after, limit=limit
        )
    else:
        page = await searching.list_customers(
            call.tx, filters, sort=sort or "-created", after=after, limit=limit
        )
    return schemas.CustomersOut(
        items=[schemas.CustomerOut.model_validate(customer) for customer in page.customers],
        next=page.next,
        total_estimate=page.total_estimate,
    )


@router.get("/customers/{customer_id}")
async def get_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:read")]
) -> schemas.CustomerOut:
    """410 for a customer that was erased."""
    return _out(await read_customer(call.tx, customer_id), response)


@router.get("/customers/{customer_id}/personal-data")
async def get_personal_data(
    customer_id: UUID, call: Annotated[Call, access("customers:read")]
) -> schemas.PersonalDataOut:
    """Everything that this service stores about a customer and its users, in one document."""
    found = await exports.personal_data(call.tx, customer_id)
    return schemas.PersonalDataOut.model_validate(found)


@router.patch("/customers/{customer_id}")
async def edit_customer(
    customer_id: UUID,
    body: schemas.CustomerPatch,
    response: Response,
    call: Annotated[Call, access("customers:write")],
    expected: ExpectedVersion,
) -> schemas.CustomerOut:
    """Change some fields. With `If-Match`, only when nobody else was faster: 412 has `current`."""
    customer = await customers.edit_customer(
        call.tx,
        customer_id,
        body.changes(),
        expected_version=expected,
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return _out(customer, response)


@router.post("/customers/{customer_id}/erase")
async def erase_customer(
    customer_id: UUID, call: Annotated[Call, access("customers:write")]
) -> schemas.ErasedOut:
    """Erase all personal data of a deactivated customer and its users, for ever.

    Refused while a plan or module is live or an amount is open.
    """
    record = await lifecycle.erase_customer(
        call.tx, customer_id, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return schemas.ErasedOut(id=record.id, number=record.number, erased_at=record.erased_at)


@router.post("/customers/{customer_id}/deactivate")
async def deactivate_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.CustomerOut:
    """No new bookings; paid time and open invoices stay. A second time changes nothing."""
    return await _change(customer_id, Verb.DEACTIVATE, response, call)


@router.post("/customers/{customer_id}/reactivate")
async def reactivate_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.CustomerOut:
    return await _change(customer_id, Verb.REACTIVATE, response, call)


@router.post("/customers/{customer_id}/freeze")
async def freeze_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.CustomerOut:
    """Stop what only time makes due; payments and operators' actions work on."""
    return await _change(customer_id, Verb.FREEZE, response, call)


@router.post("/customers/{customer_id}/unfreeze")
async def unfreeze_customer(
    customer_id: UUID, response: Response, call: Annotated[Call, access("customers:write")]
) -> schemas.CustomerOut:
    return await _change(customer_id, Verb.UNFREEZE, response, call)


async def _change(
    customer_id: UUID, verb: Verb, response: Response, call: Call
) -> schemas.CustomerOut:
    customer = await lifecycle.change_lifecycle(
        call.tx, customer_id, verb, actor=call.caller.subject, now=call.now, new_id=call.new_id
    )
    return _out(customer, response)


def _out(customer: Customer, response: Response) -> schemas.CustomerOut:
    response.headers["etag"] = etag(customer.version)
    return schemas.CustomerOut.model_validate(customer)
