"""The only contract between services: one module per owner of topics."""

from shared.events import billing, customers, notifier, subscriptions
from shared.events.base import Event, Part, Topic, topics

__all__ = ["Event", "Part", "Topic", "billing", "customers", "notifier", "subscriptions", "topics"]
