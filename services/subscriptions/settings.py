from typing import ClassVar

from pydantic import Field

from shared.settings import Settings

__all__ = ["SubscriptionsSettings"]


class SubscriptionsSettings(Settings):
    """What is said here of subscriptions.

    Attributes:
        offer_days: after its due date an offer lapses.
        trial_reminder_days: before a trial ends it is told.
    """

    service: ClassVar[str] = "subscriptions"

    offer_days: int = Field(14, ge=0, le=365)
    trial_reminder_days: int = Field(3, ge=0, le=60)
