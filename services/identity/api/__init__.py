"""Parse, call one use case, shape the answer."""

from fastapi import APIRouter

from services.identity.api import account, clients, oauth, operators, sessions

__all__ = ["router"]

router = APIRouter()
for part in (oauth, sessions, account, operators, clients):
    router.include_router(part.router)
