"""Where the customers service is put together."""

from fastapi import FastAPI

from services.customers.api import router
from services.customers.settings import CustomersSettings
from shared.service import Service, Worker, api_of

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: CustomersSettings) -> FastAPI:
    return api_of(settings, [router])


def build_worker(settings: CustomersSettings) -> Worker:
    return Worker(settings)


SERVICE = Service(CustomersSettings, build_api, build_worker)
