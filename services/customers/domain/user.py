"""A user: a person of a customer, who logs in to the product that is sold, not to Kontor."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from unicodedata import normalize
from uuid import UUID

from shared.errors import Conflict

__all__ = ["EDITABLE", "User", "edit", "email_key", "set_active", "take_seats"]

EDITABLE = ("salutation", "first_name", "surname", "email")
"""All that an operator may change of a user."""


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    customer_id: UUID
    version: int
    salutation: str
    first_name: str
    surname: str
    email: str
    role: str
    active: bool = True


def email_key(email: str) -> str:
    """What is unique of an address: two spellings that differ by case are one."""
    return normalize("NFC", normalize("NFC", email).casefold())


def edit(user: User, changes: Mapping[str, Any]) -> User:
    """Apply changes to editable fields; the same user when nothing differs."""
    changed = replace(user, **changes)
    return user if changed == user else replace(changed, version=user.version + 1)


def set_active(user: User, active: bool) -> User:
    """The same user when it is so already."""
    return user if user.active == active else replace(user, active=active, version=user.version + 1)


def take_seats(wanted: int, *, taken: int, max_users: int) -> None:
    """Only active users take a seat; `max_users` 0 means no limit.

    Raises:
        Conflict: there are not so many seats left.
    """
    if wanted and max_users and taken + wanted > max_users:
        raise Conflict(
            "seat_limit_reached",
            f"The plan allows {max_users} active users, and there are {taken}.",
            max_users=max_users,
            active_users=taken,
        )
