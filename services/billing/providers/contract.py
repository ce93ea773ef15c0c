"""What every payment provider's adapter does."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

from services.billing.domain.arrival import ProviderEvent
from shared.errors import InputInvalid

__all__ = ["Provider", "SignatureRefused", "needed", "refuse_unstorable"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class SignatureRefused(Exception):
    """Not signed by the provider, or not now."""


class Provider(Protocol):
    """Pure but for the clock that a signature's age is measured by."""

    def parse(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        """What a message says; None: nothing about money.

        Raises:
            SignatureRefused: no secret of ours has signed it, or too long ago.
            InputInvalid: it is signed, but not what this provider sends.
        """


def refuse_unstorable(event: ProviderEvent) -> None:
    """Refuse text that no database stores.

    Raises:
        InputInvalid: a field has a NUL or half of a surrogate pair.
    """
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str) and _UNSTORABLE.search(value):
            raise InputInvalid(field.name, "must not contain NUL or unpaired surrogate characters")


def needed(data: Any, *path: str) -> Any:
    """What is at a path of a message.

    Raises:
        InputInvalid: it is not there.
    """
    for at, name in enumerate(path):
        if not isinstance(data, Mapping) or data.get(name) is None:
            raise InputInvalid(".".join(path[: at + 1]), "is missing")
        data = data[name]
    return data
