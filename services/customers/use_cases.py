"""What the customers service can do: load -> decide -> save -> publish."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer, edit
from services.customers.domain.defaults import country_defaults
from shared.clock import NewId
from shared.database import Tx
from shared.errors import InputInvalid, NotFound, PreconditionFailed
from shared.events.customers import CustomerCreated, CustomerUpdated
from shared.messaging.outbox import publish

__all__ = ["create_customer", "edit_customer"]


async def create_customer(
    tx: Tx, values: Mapping[str, Any], *, now: datetime, new_id: NewId
) -> Customer:
    """Create a customer; currency, language and time zone default from the country.

    Raises:
        InputInvalid: a field breaks a rule, or the country suggests no default for one.
    """
    defaults = country_defaults(values["country"])
    filled = {**defaults, **{k: v for k, v in values.items() if v is not None}}
    for field in ("currency", "language", "time_zone"):
        if field not in filled:
            raise InputInvalid(field, f"must be given: {values['country']} suggests none")
    customer = Customer(id=new_id(), version=1, number=await repository.next_number(tx), **filled)
    await repository.add_customers(tx, [customer], now=now)
    await publish(tx, [CustomerCreated(**_state(customer))], now=now, new_id=new_id)
    return customer


async def edit_customer(
    tx: Tx,
    customer_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None,
    now: datetime,
    new_id: NewId,
) -> Customer:
    """Change fields of a customer; nothing is published when nothing differs.

    Raises:
        NotFound: no such customer.
        PreconditionFailed: the customer is not at `expected_version` any more.
    """
    customer = (await repository.lock_customers(tx, [customer_id])).get(customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    if expected_version is not None and expected_version != customer.version:
        raise PreconditionFailed(
            "version_changed",
            f"The customer was changed meanwhile and is at version {customer.version} now.",
            version=customer.version,
        )
    changed = edit(customer, changes)
    if changed is not customer:
        await repository.save_customers(tx, [changed], now=now)
        await publish(tx, [CustomerUpdated(**_state(changed))], now=now, new_id=new_id)
    return changed


def _state(customer: Customer) -> dict[str, Any]:
    values = asdict(customer)
    return {"customer_id": values.pop("id"), **values}
