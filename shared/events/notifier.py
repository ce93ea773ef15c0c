from datetime import datetime
from uuid import UUID

from shared.events.base import Event, Topic

__all__ = ["DELIVERIES", "EmailFailed", "EmailSent"]

DELIVERIES = Topic("notifier.deliveries.v1")


class _DeliveryEvent(Event):
    """Without the address: personal data travels on the customers topics only."""

    delivery_id: UUID
    kind: str
    invoice_id: UUID | None = None

    @property
    def subject(self) -> str:
        return str(self.delivery_id)


class EmailSent(_DeliveryEvent, type="email.sent", topic=DELIVERIES):
    """`customer_version`: of the customer whose address it went to."""

    message_id: str
    attempts: int
    sent_at: datetime | None = None
    resend: bool = False
    customer_version: int | None = None


class EmailFailed(_DeliveryEvent, type="email.failed", topic=DELIVERIES):
    """Given up; `reason` holds the mail server's words without addresses."""

    reason: str
    attempts: int
