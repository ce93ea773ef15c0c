from typing import ClassVar

from shared.settings import EdgeSettings

__all__ = ["ConsoleSettings"]


class ConsoleSettings(EdgeSettings):
    """Where the services answer, and how long they are waited for.

    Attributes:
        services_url: where all of them are, behind one address.
        identity_url: that of one service alone, such as `http://identity-api:8000`; and so on.
        patience_s: a panel whose service has not answered by then says so.
    """

    service: ClassVar[str] = "console"

    services_url: str = "http://127.0.0.1:8080"
    identity_url: str = ""
    customers_url: str = ""
    subscriptions_url: str = ""
    billing_url: str = ""
    notifier_url: str = ""
    patience_s: float = 5.0

    def url_of(self, service: str) -> str:
        return str(getattr(self, f"{service}_url")) or self.services_url
