"""What becomes of one attempt to send a mail. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from shared.retries import SendFailure, retry_at

__all__ = ["ATTEMPTS_MAX", "KINDS", "MailKind", "Outcome", "after_failure"]

MailKind = Literal["invoice", "credit_note", "cancellation"]
KINDS: tuple[MailKind, ...] = get_args(MailKind)

# With pauses of 2 s, 4 s ... up to an hour this is about a day.
ATTEMPTS_MAX = 34


@dataclass(frozen=True, slots=True)
class Outcome:
    state: Literal["due", "parked"]
    next_at: datetime


def after_failure(failure: SendFailure, attempts: int, *, now: datetime) -> Outcome:
    """Try a temporary failure again; park a permanent one, and one that lasted too long."""
    given_up = failure.permanent or attempts >= ATTEMPTS_MAX
    return Outcome("parked" if given_up else "due", retry_at(now, attempts))
