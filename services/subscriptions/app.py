"""Where the subscriptions service is put together."""

from fastapi import FastAPI

from services.subscriptions.api import router
from services.subscriptions.settings import SubscriptionsSettings
from services.subscriptions.subscribers import consumers
from shared.service import Service, Worker, api_of

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: SubscriptionsSettings) -> FastAPI:
    return api_of(settings, [router])


def build_worker(settings: SubscriptionsSettings) -> Worker:
    return Worker(settings, consumers())


SERVICE = Service(SubscriptionsSettings, build_api, build_worker)
