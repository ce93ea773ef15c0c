"""Where the customers service is put together."""

from typing import TYPE_CHECKING

from services.customers.settings import CustomersSettings
from shared.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: CustomersSettings) -> "FastAPI":
    from services.customers.api import router
    from shared.serving import api_of

    return api_of(settings, [router])


def build_worker(settings: CustomersSettings) -> "Worker":
    from shared.worker import Worker

    return Worker(settings)


SERVICE = Service(CustomersSettings, build_api, build_worker)
