"""Where the billing service is put together."""

from typing import TYPE_CHECKING

from services.billing.documents.pool import RenderPool
from services.billing.documents.press import Press
from services.billing.settings import BillingSettings
from services.billing.subscribers import consumers
from services.billing.tables import documents
from services.billing.use_cases.documents import draw_due_documents
from shared.service import Service
from shared.storage import DocumentStore

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: BillingSettings) -> "FastAPI":
    from services.billing.api import routers
    from services.billing.providers import providers_of
    from services.billing.signatures import signature_check
    from shared.serving import api_of

    press = _press(settings)
    app = api_of(settings, routers, on_stop=press.close)
    app.state.press = press
    secrets = {"stripe": settings.stripe_secrets, "standard": settings.standard_secrets}
    app.state.check_signature = signature_check(providers_of(secrets))
    return app


def _press(settings: BillingSettings) -> Press:
    return Press(DocumentStore(settings.storage_url), RenderPool(settings.render_processes))


def build_worker(settings: BillingSettings) -> "Worker":
    from shared.worker import Worker

    press = _press(settings)
    worker = Worker(settings, consumers(), on_stop=press.close)

    async def draw() -> bool:
        return await draw_due_documents(
            worker.database, press, clock=worker.clock, new_id=worker.new_id
        )

    worker.jobs = {"renderer": [draw]}
    worker.due_tables = [documents]
    return worker


SERVICE = Service(BillingSettings, build_api, build_worker, jobs=("renderer",))
