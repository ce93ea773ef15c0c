"""Where the subscriptions service is put together."""

from typing import TYPE_CHECKING

from services.subscriptions.settings import SubscriptionsSettings
from services.subscriptions.subscribers import consumers
from shared.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: SubscriptionsSettings) -> "FastAPI":
    from services.subscriptions.api import routers
    from services.subscriptions.domain.book import Policy
    from shared.serving import api_of

    api = api_of(settings, routers)
    api.state.policy = Policy(settings.offer_days, settings.trial_reminder_days)
    return api


def build_worker(settings: SubscriptionsSettings) -> "Worker":
    from services.subscriptions.clock import rounds
    from shared.worker import Worker

    worker = Worker(settings, consumers())
    worker.timers = {"clock": rounds(worker)}
    return worker


SERVICE = Service(SubscriptionsSettings, build_api, build_worker, jobs=("clock",))
