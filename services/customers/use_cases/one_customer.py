"""Finding and locking the one customer that a request is about."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer
from services.customers.domain.user import User
from shared.database import Tx
from shared.errors import Gone, NotFound, PreconditionFailed

__all__ = ["check_version", "customer_state", "lock_customer", "read_customer", "user_state"]


async def read_customer(tx: Tx, customer_id: UUID) -> Customer:
    """The customer.

    Raises:
        NotFound: there never was one.
        Gone: it was erased.
    """
    return await repository.get_customer(tx, customer_id) or await _missing(tx, customer_id)


async def lock_customer(tx: Tx, customer_id: UUID) -> Customer:
    """The customer, locked until the transaction ends; raises as `read_customer` does."""
    locked = await repository.lock_customers(tx, [customer_id])
    return locked.get(customer_id) or await _missing(tx, customer_id)


async def _missing(tx: Tx, customer_id: UUID) -> Customer:
    if erased := await repository.get_erased(tx, customer_id):
        raise Gone(
            "customer_erased",
            f"Customer {erased.number} was erased.",
            id=erased.id,
            number=erased.number,
            erased_at=erased.erased_at,
        )
    raise NotFound("customer", customer_id)


def check_version(found: Customer | User, expected: int | None) -> None:
    """Refuse when somebody was faster than who expects this version.

    Raises:
        PreconditionFailed: with the present state.
    """
    if expected is not None and expected != found.version:
        raise PreconditionFailed(
            "version_changed",
            f"Somebody changed it meanwhile; it is at version {found.version} now.",
            version=found.version,
            current=asdict(found),
        )


def customer_state(customer: Customer) -> dict[str, Any]:
    """The fields of the events that carry the whole customer."""
    values = asdict(customer)
    return {"customer_id": values.pop("id"), **values}


def user_state(user: User) -> dict[str, Any]:
    """The fields of the events that carry the whole user."""
    values = asdict(user)
    return {"user_id": values.pop("id"), **values}
