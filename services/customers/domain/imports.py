"""What the rows of an imported file lead to. They are decided about one by one, then all saved."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from services.customers.domain import customer, user
from services.customers.domain.customer import Customer
from services.customers.domain.user import User, email_key
from shared.errors import InputInvalid
from shared.spreadsheet import BadRow

__all__ = ["CustomerRow", "Outcome", "UserRow", "decide_customers", "decide_users"]


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """`number` is empty for a new customer; `values` are those of the columns the file has."""

    line: int
    number: str
    values: Mapping[str, Any]
    status: str | None = None
    frozen: bool | None = None


@dataclass(frozen=True, slots=True)
class UserRow:
    """`user_id` None for a new user; `role` is what the file says of one that is there."""

    line: int
    user_id: UUID | None
    customer_number: str
    values: Mapping[str, Any]
    role: str | None = None
    active: bool | None = None


_Thing = TypeVar("_Thing")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class Outcome(Generic[_Thing]):
    """What is to be written; nothing when `bad` is not empty."""

    created: list[_Thing] = field(default_factory=list)
    updated: list[_Thing] = field(default_factory=list)
    unchanged: int = 0
    bad: list[BadRow] = field(default_factory=list)

    def take(self, before: _Thing | None, after: _Thing) -> None:
        if before is None:
            self.created.append(after)
        elif after is before:
            self.unchanged += 1
        else:
            self.updated.append(after)


class _Row(Protocol):
    @property
    def line(self) -> int: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)


def _decide(
    rows: Iterable[_AnyRow], decide: Callable[[_AnyRow], tuple[_Thing | None, _Thing]]
) -> Outcome[_Thing]:
    """Decide about each row: what was there before, and what is to be there."""
    outcome = Outcome[_Thing]()
    for row in rows:
        try:
            outcome.take(*decide(row))
        except InputInvalid as error:
            outcome.bad += [BadRow(row.line, e.field, e.rule) for e in error.errors]
    return outcome


def decide_customers(
    rows: Sequence[CustomerRow],
    known: Mapping[str, Customer],
    make: Callable[[Mapping[str, Any]], Customer],
) -> Outcome[Customer]:
    """Edit the customers with a number and make the others.

    Args:
        known: customers by their number.
        make: makes a customer without a number out of values, or raises InputInvalid.
    """
    seen: set[str] = set()

    def decide(row: CustomerRow) -> tuple[Customer | None, Customer]:
        before = _known("number", row.number, known, seen) if row.number else None
        _must_equal("status", row.status, before.status if before else "active")
        _must_equal("frozen", row.frozen, before.frozen if before else False)
        return before, customer.edit(before, row.values) if before else make(row.values)

    return _decide(rows, decide)


def decide_users(
    rows: Sequence[UserRow],
    *,
    customers: Mapping[str, UUID],
    known: Mapping[UUID, User],
    holders: Mapping[str, UUID],
    seats: Mapping[UUID, int],
    make: Callable[[UUID, UserRow], User],
) -> Outcome[User]:
    """Edit the users with an id and make the others.

    Args:
        customers: ids by customer number.
        holders: who has an e-mail address already, by `email_key`.
        seats: how many are free, for customers whose plan has a limit.
        make: makes a user of a customer out of a row.
    """
    free, taken, seen = dict(seats), dict(holders), set[UUID]()

    def decide(row: UserRow) -> tuple[User | None, User]:
        if row.user_id is None:
            made = make(_customer_id(row, customers), row)
            _take_address(made, taken)
            _take_seat(made, free)
            return None, made
        before = _known("id", row.user_id, known, seen)
        if row.customer_number and _customer_id(row, customers) != before.customer_id:
            raise InputInvalid("customer_number", "is another customer's than the user's")
        _must_equal("role", row.role, before.role)
        _must_equal("active", row.active, before.active)
        after = user.edit(before, row.values)
        _take_address(after, taken)
        return before, after

    return _decide(rows, decide)


def _known(field: str, key: _Key, known: Mapping[_Key, _Thing], seen: set[_Key]) -> _Thing:
    if key not in known:
        raise InputInvalid(field, "is not there; leave it empty for a new one")
    if key in seen:
        raise InputInvalid(field, "is in the file twice")
    seen.add(key)
    return known[key]


def _customer_id(row: UserRow, customers: Mapping[str, UUID]) -> UUID:
    if row.customer_number not in customers:
        raise InputInvalid("customer_number", "is no customer's")
    return customers[row.customer_number]


def _take_address(found: User, taken: dict[str, UUID]) -> None:
    if taken.setdefault(email_key(found.email), found.id) != found.id:
        raise InputInvalid("email", "is another user's")


def _take_seat(made: User, free: dict[UUID, int]) -> None:
    if made.active and made.customer_id in free:
        if free[made.customer_id] < 1:
            raise InputInvalid("customer_number", "has no seat left in its plan")
        free[made.customer_id] -= 1


def _must_equal(name: str, given: object, present: object) -> None:
    if given is not None and given != present:
        raise InputInvalid(name, "is not changed by an import; there is an action for it")
