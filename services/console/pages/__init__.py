"""One module per group of pages: ask the services, show what they say."""

from fastapi import APIRouter

from services.console.pages import (
    account,
    actions,
    bookings,
    catalogue,
    clients,
    credit,
    customer,
    customers,
    deeds,
    door,
    drafts,
    failures,
    files,
    invoices,
    operators,
    payments,
    products,
    users,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for part in (
    files,
    door,
    customers,
    customer,
    users,
    bookings,
    actions,
    invoices,
    drafts,
    payments,
    credit,
    deeds,
    catalogue,
    products,
    failures,
    clients,
    operators,
    account,
):
    router.include_router(part.router)
