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
    message_id: str
    attempts: int


class EmailFailed(_DeliveryEvent, type="email.failed", topic=DELIVERIES):
    """Given up; `reason` holds the mail server's words without addresses."""

    reason: str
    attempts: int
