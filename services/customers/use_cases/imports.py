"""Importing customers and users from files: all rows or none."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer
from services.customers.domain.imports import (
    CustomerRow,
    Outcome,
    UserRow,
    decide_customers,
    decide_users,
)
from services.customers.domain.user import User
from services.customers.use_cases.announcing import announce
from services.customers.use_cases.customers import new_customer
from services.customers.use_cases.one_customer import customer_state, user_state
from shared.clock import NewId
from shared.database import Tx
from shared.errors import InputInvalid
from shared.events import Event
from shared.events.customers import CustomerCreated, CustomerUpdated, UserAdded, UserUpdated
from shared.spreadsheet import BadRow

__all__ = ["ImportRefused", "import_customers", "import_users"]


class ImportRefused(InputInvalid):
    """Some rows are bad; nothing was imported. Each error has its `line` too."""

    def __init__(self, bad: Sequence[BadRow]) -> None:
        super().__init__(bad[0].field or "row", f"{bad[0].rule} (line {bad[0].line})")
        self.code = "import_refused"
        self.detail = f"{len(bad)} errors, nothing was imported. {self.detail}"
        self.extra = {"errors": [asdict(row) for row in bad]}


async def import_customers(
    tx: Tx,
    rows: Sequence[CustomerRow],
    bad: Sequence[BadRow],
    *,
    dry_run: bool,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Outcome[Customer]:
    """Create customers and edit those whose number is given.

    Raises:
        ImportRefused: rows are bad, and it is no dry run.
    """
    ids = await repository.get_customer_ids(tx, {row.number for row in rows} - {""})
    locked = await repository.lock_customers(tx, ids.values())
    outcome = decide_customers(
        rows,
        {customer.number: customer for customer in locked.values()},
        lambda values: new_customer(values, customer_id=new_id()),
    )
    if _stops(outcome, bad, dry_run=dry_run):
        return outcome
    numbers = await repository.next_numbers(tx, len(outcome.created))
    outcome.created = [
        replace(customer, number=number)
        for customer, number in zip(outcome.created, numbers, strict=True)
    ]
    await repository.add_customers(tx, outcome.created, now=now)
    await repository.save_customers(tx, outcome.updated, now=now)
    events: list[Event] = [CustomerCreated(**customer_state(c)) for c in outcome.created]
    events += [CustomerUpdated(**customer_state(c)) for c in outcome.updated]
    await announce(tx, actor, events, now=now, new_id=new_id)
    return outcome


async def import_users(
    tx: Tx,
    rows: Sequence[UserRow],
    bad: Sequence[BadRow],
    *,
    dry_run: bool,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> Outcome[User]:
    """Add users and edit those whose id is given; e-mail addresses and seats are checked.

    Raises:
        ImportRefused: rows are bad, and it is no dry run.
        Conflict: somebody took one of the e-mail addresses meanwhile.
    """
    customers = await repository.get_customer_ids(tx, {row.customer_number for row in rows} - {""})
    user_ids = {row.user_id for row in rows if row.user_id}
    owners = await repository.get_user_owners(tx, user_ids)
    await repository.lock_customers(tx, {*customers.values(), *owners.values()})
    known = await repository.lock_users(tx, user_ids)
    emails = [row.values["email"] for row in rows if "email" in row.values]

    def make(customer_id: UUID, row: UserRow) -> User:
        active = row.active is not False
        return User(id=new_id(), customer_id=customer_id, version=1, active=active, **row.values)

    outcome = decide_users(
        rows,
        customers=customers,
        known=known,
        holders=await repository.get_users_by_email(tx, emails),
        seats=await _free_seats(tx, list(customers.values())),
        make=make,
    )
    if _stops(outcome, bad, dry_run=dry_run):
        return outcome
    await repository.add_users(tx, outcome.created, now=now)
    await repository.save_users(tx, outcome.updated, now=now)
    events: list[Event] = [UserAdded(**user_state(user)) for user in outcome.created]
    events += [UserUpdated(**user_state(user)) for user in outcome.updated]
    await announce(tx, actor, events, now=now, new_id=new_id)
    return outcome


async def _free_seats(tx: Tx, customer_ids: Sequence[UUID]) -> dict[UUID, int]:
    entitled = await repository.get_entitlements(tx, customer_ids)
    taken = await repository.count_active_users(tx, customer_ids)
    return {
        customer_id: limits.max_users - taken.get(customer_id, 0)
        for customer_id, limits in entitled.items()
        if limits.max_users
    }


def _stops(outcome: Outcome[Any], bad: Sequence[BadRow], *, dry_run: bool) -> bool:
    outcome.bad = sorted([*bad, *outcome.bad], key=lambda row: row.line)
    if outcome.bad and not dry_run:
        raise ImportRefused(outcome.bad)
    return dry_run
