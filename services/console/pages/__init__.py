"""One module per group of pages: ask the services, show what they say."""

from fastapi import APIRouter

from services.console.pages import (
    account,
    actions,
    bookings,
    catalogue,
    clients,
    customer,
    customers,
    door,
    failures,
    files,
    invoices,
    operators,
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
    catalogue,
    products,
    failures,
    clients,
    operators,
    account,
):
    router.include_router(part.router)
