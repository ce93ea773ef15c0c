"""What can go wrong with a request, each with the HTTP status it is answered with.

Rendered as problem details (RFC 9457) at the edge by `shared.http`:

    KontorError
    ├── Unauthenticated     401  no token, or one that proves nothing
    ├── InputInvalid        422  a value breaks a rule; names field and rule
    ├── NotFound            404
    ├── Gone                410  was there, and was erased for ever
    ├── Conflict            409  the present state does not allow it
    ├── PreconditionFailed  412  somebody else was faster (ETag / If-Match)
    ├── Forbidden           403
    ├── TooManyRequests     429  says when to come back
    └── Unavailable         503  passes by itself; try again
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "Conflict",
    "FieldError",
    "Forbidden",
    "Gone",
    "InputInvalid",
    "KontorError",
    "NotFound",
    "PreconditionFailed",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
]


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    rule: str


class KontorError(Exception):
    """An expected refusal.

    Attributes:
        code: stable machine-readable name, the last part of the problem's `type`.
        detail: one sentence for people.
        extra: further members of the problem document, such as a new preview.
    """

    status: ClassVar[int] = 400

    def __init__(self, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.extra: Mapping[str, Any] = extra


class InputInvalid(KontorError):
    status = 422

    def __init__(self, field: str, rule: str) -> None:
        super().__init__("input_invalid", f"{field}: {rule}")
        self.errors = (FieldError(field, rule),)


class NotFound(KontorError):
    status = 404

    def __init__(self, what: str, ident: object) -> None:
        super().__init__(f"{what}_not_found", f"There is no {what} {ident}.")


class Gone(KontorError):
    status = 410


class Conflict(KontorError):
    status = 409


class PreconditionFailed(KontorError):
    """Somebody else was faster. `current` is the present state, as reading it would answer."""

    status = 412

    def __init__(self, code: str, detail: str, *, version: int, current: object) -> None:
        super().__init__(code, detail, version=version, current=current)
        self.version = version


class Forbidden(KontorError):
    status = 403


class Unauthenticated(KontorError):
    status = 401


class TooManyRequests(KontorError):
    """`retry_after_s`: seconds to wait."""

    status = 429

    def __init__(self, retry_after_s: int, code: str = "too_many_requests") -> None:
        super().__init__(code, f"Too many requests; try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class Unavailable(KontorError):
    status = 503
