"""Creating and editing customers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer, checked, edit
from services.customers.domain.defaults import country_defaults
from services.customers.use_cases.announcing import announce, differing
from services.customers.use_cases.one_customer import (
    check_version,
    customer_state,
    lock_customer,
)
from shared.clock import NewId
from shared.database import Tx
from shared.errors import InputInvalid
from shared.events.customers import CustomerCreated, CustomerUpdated

__all__ = ["create_customer", "edit_customer", "new_customer"]


def new_customer(values: Mapping[str, Any], *, customer_id: UUID, number: str = "") -> Customer:
    """A customer at version 1; currency, language and time zone default from the country.

    Raises:
        InputInvalid: a field breaks a rule, or the country suggests no default for one.
    """
    defaults = country_defaults(values["country"])
    filled = {**defaults, **{k: v for k, v in values.items() if v is not None}}
    for field in ("currency", "language", "time_zone"):
        if field not in filled:
            raise InputInvalid(field, f"must be given: {values['country']} suggests none")
    return checked(Customer(id=customer_id, version=1, number=number, **filled))


async def create_customer(
    tx: Tx, values: Mapping[str, Any], *, actor: str, now: datetime, new_id: NewId
) -> Customer:
    """Create a customer with the next number; raises as `new_customer` does."""
    (number,) = await repository.next_numbers(tx, 1)
    customer = new_customer(values, customer_id=new_id(), number=number)
    await repository.add_customers(tx, [customer], now=now)
    await announce(tx, actor, [CustomerCreated(**customer_state(customer))], now=now, new_id=new_id)
    return customer


async def edit_customer(
    tx: Tx,
    customer_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Customer:
    """Change fields of a customer; nothing is published when nothing differs.

    Raises:
        NotFound: no such customer.
        Gone: it was erased.
        PreconditionFailed: the customer is not at `expected_version` any more.
        InputInvalid: what the changes lead to breaks a rule.
    """
    customer = await lock_customer(tx, customer_id)
    check_version(customer, expected_version)
    changed = edit(customer, changes)
    if changed is not customer:
        await repository.save_customers(tx, [changed], now=now)
        await announce(
            tx,
            actor,
            [CustomerUpdated(**customer_state(changed))],
            fields=differing(customer, changed),
            now=now,
            new_id=new_id,
        )
    return changed
