from typing import ClassVar

from shared.settings import Settings

__all__ = ["SubscriptionsSettings"]


class SubscriptionsSettings(Settings):
    service: ClassVar[str] = "subscriptions"
