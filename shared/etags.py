"""Versions as `ETag` and `If-Match` (RFC 9110, 8.8.3 and 13.1.1)."""

import re
from typing import Annotated

from fastapi import Depends, Header

from shared.errors import InputInvalid

__all__ = ["ExpectedVersion", "etag"]


def etag(version: int) -> str:
    return f'"{version}"'


def _expected(if_match: Annotated[str | None, Header()] = None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    if not re.fullmatch(r'"[0-9]{1,40}"', if_match):
        raise InputInvalid("If-Match", "must be the ETag of an answer to a GET")
    return int(if_match.strip('"'))


ExpectedVersion = Annotated[int | None, Depends(_expected)]
"""None: whatever the version is."""
