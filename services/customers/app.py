"""Where the customers service is put together."""

from typing import TYPE_CHECKING

from services.customers.settings import CustomersSettings
from services.customers.subscribers import consumers
from shared.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: CustomersSettings) -> "FastAPI":
    from services.customers.api import routers
    from shared.serving import api_of

    return api_of(settings, routers)


def build_worker(settings: CustomersSettings) -> "Worker":
    from shared.worker import Worker

    return Worker(settings, consumers())


SERVICE = Service(CustomersSettings, build_api, build_worker)
