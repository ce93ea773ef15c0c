"""What of a customer is searched, and by what a search is narrowed."""

from collections.abc import Mapping
from uuid import UUID

from shared.search import keys_of, label_keys

__all__ = ["SEARCHED", "filter_keys", "search_keys"]

SEARCHED = ("company_name", "contact_name", "city", "email", "number")
"""The fields that are searched."""


def search_keys(customer_id: UUID, fields: Mapping[str, str]) -> list[int]:
    """All keys under which a customer with these fields is found."""
    labels = (f"country {fields['country']}", f"status {fields['status']}")
    return keys_of(customer_id, " ".join(fields[name] for name in SEARCHED), labels)


def filter_keys(part: str, wanted: Mapping[str, str | None]) -> list[int]:
    """Keys of `country` and `status`."""
    return label_keys(part, [f"{name} {value}" for name, value in wanted.items() if value])
