"""What the API gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

__all__ = ["DeliveriesOut", "DeliveryOut"]


class DeliveryOut(BaseModel):
    """One logical mail. `last_error` holds the mail server's words."""

    id: UUID
    customer_id: UUID
    kind: str
    invoice_id: UUID | None
    state: str
    attempts: int
    message_id: str
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
