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
    exports,
    failures,
    files,
    invoices,
    operators,
    payments,
    products,
    settings,
    unallocated,
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
    exports,
    invoices,
    drafts,
    payments,
    credit,
    deeds,
    unallocated,
    catalogue,
    products,
    failures,
    settings,
    clients,
    operators,
    account,
):
    router.include_router(part.router)
