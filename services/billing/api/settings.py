from typing import Annotated

from services.billing import repository, schemas
from services.billing.use_cases import settings
from shared.auth import Call, access
from shared.errors import NotFound
from shared.http import new_router

__all__ = ["router"]

router = new_router()


@router.put("/settings/seller")
async def put_seller(
    body: schemas.SellerIn, call: Annotated[Call, access("settings:write")]
) -> schemas.SellerOut:
    """Replace the seller's settings. Invoices keep the ones they were opened with."""
    saved = await settings.save_seller(
        call.tx,
        body.model_dump(),
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.SellerOut(**saved.model_dump(exclude={"customer_id", "name"}))


@router.get("/settings/seller")
async def get_seller(call: Annotated[Call, access("settings:read")]) -> schemas.SellerOut:
    saved = await repository.get_seller(call.tx)
    if saved is None:
        raise NotFound("settings", "seller")
    return schemas.SellerOut(**saved.model_dump(exclude={"customer_id", "name"}))
