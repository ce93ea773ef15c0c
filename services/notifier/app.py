"""Where the notifier is put together."""

from typing import TYPE_CHECKING

from services.notifier.settings import NotifierSettings
from services.notifier.subscribers import consumers
from services.notifier.tables import deliveries
from services.notifier.use_cases.sending import send_due_mails
from shared.service import Service
from shared.smtp import Mailer
from shared.storage import DocumentStore

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: NotifierSettings) -> "FastAPI":
    from services.notifier.api import router
    from shared.serving import api_of

    return api_of(settings, [router])


def build_worker(settings: NotifierSettings) -> "Worker":
    from shared.worker import Worker

    store = DocumentStore(settings.storage_url)
    mailer = Mailer(settings)
    worker = Worker(settings, consumers(settings.message_id_domain))

    async def send() -> bool:
        return await send_due_mails(
            worker.database, store, mailer, settings, clock=worker.clock, new_id=worker.new_id
        )

    worker.jobs = {"sender": [send]}
    worker.due_tables = [deliveries]
    return worker


SERVICE = Service(NotifierSettings, build_api, build_worker, jobs=("sender",))
