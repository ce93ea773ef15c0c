"""What the API gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from shared.http import InputModel

__all__ = ["DeliveriesOut", "DeliveryOut", "MailSwitches"]


class DeliveryOut(BaseModel):
    """One logical mail. `last_error` holds the mail server's words.

    `state`: waiting for its document, due, sent, parked (given up), or withdrawn (its invoice was
    voided before it went out).
    """

    id: UUID
    customer_id: UUID
    kind: str
    invoice_id: UUID | None
    state: str
    attempts: int
    message_id: str
    resend: bool
    recipient: str | None
    subject: str | None
    last_error: str | None
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None


class DeliveriesOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[DeliveryOut]
    next: str | None


class MailSwitches(InputModel):
    """Which kinds of mail go out by themselves."""

    invoice: bool
    credit_note: bool
    cancellation: bool
