"""Every service by its name; only what runs or serves all of them may import this."""

from services.billing.app import SERVICE as BILLING
from services.customers.app import SERVICE as CUSTOMERS
from services.identity.app import SERVICE as IDENTITY
from services.notifier.app import SERVICE as NOTIFIER
from services.subscriptions.app import SERVICE as SUBSCRIPTIONS
from shared.service import Service

__all__ = ["SERVICES"]

SERVICES: dict[str, Service] = {
    service.settings.service: service
    for service in (IDENTITY, CUSTOMERS, SUBSCRIPTIONS, BILLING, NOTIFIER)
}
