"""Every service with data of its own by its name, and the console before them.

Only what runs or serves all of them may import this.
"""

from services.billing.app import SERVICE as BILLING
from services.console.app import SERVICE as CONSOLE
from services.customers.app import SERVICE as CUSTOMERS
from services.identity.app import SERVICE as IDENTITY
from services.notifier.app import SERVICE as NOTIFIER
from services.subscriptions.app import SERVICE as SUBSCRIPTIONS
from shared.service import Service

__all__ = ["CONSOLE", "SERVICES"]

SERVICES: dict[str, Service] = {
    service.settings.service: service
    for service in (IDENTITY, CUSTOMERS, SUBSCRIPTIONS, BILLING, NOTIFIER)
}
