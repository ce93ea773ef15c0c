from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.notifier import repository, schemas
from services.notifier.use_cases import switches
from shared.auth import Call, access
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/deliveries")
async def list_deliveries(
    call: Annotated[Call, access("deliveries:read", per_customer=True)],
    customer_id: UUID | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.DeliveriesOut:
    """Newest first."""
    rows, following = await repository.list_deliveries(
        call.tx,
        customer_id=customer_id,
        seen=call.caller.customer_ids,
        after=after,
        limit=limit,
    )
    return schemas.DeliveriesOut(
        items=[schemas.DeliveryOut.model_validate(row, from_attributes=True) for row in rows],
        next=following,
    )


@router.get("/settings/mails")
async def get_mail_switches(
    call: Annotated[Call, access("settings:read")],
) -> schemas.MailSwitches:
    """Which kinds of mail go out by themselves; what is sent by hand always does."""
    return schemas.MailSwitches(**await switches.get_switches(call.tx))


@router.put("/settings/mails")
async def put_mail_switches(
    body: schemas.MailSwitches, call: Annotated[Call, access("settings:write")]
) -> schemas.MailSwitches:
    """From now on; what is planned already goes out."""
    saved = await switches.save_switches(
        call.tx,
        body.model_dump(),
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.MailSwitches(**saved)
