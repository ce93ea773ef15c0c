"""Where the identity service is put together."""

from typing import TYPE_CHECKING

from services.identity.settings import IdentitySettings
from services.identity.tables import password_resets
from shared.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.worker import Worker

__all__ = ["SERVICE", "build_api", "build_worker"]


def build_api(settings: IdentitySettings) -> "FastAPI":
    from services.identity.api import router
    from services.identity.signing import Sealer
    from shared.serving import api_of

    Sealer(settings.key_encryption_key)  # a malformed key is to be noticed now, not at a sign-in
    app = api_of(settings, [router])
    app.state.settings = settings
    return app


def build_worker(settings: IdentitySettings) -> "Worker":
    from services.identity.use_cases.housekeeping import forget_ended
    from services.identity.use_cases.keys import rotate_when_due
    from services.identity.use_cases.resets import send_due_resets
    from shared.clock import new_secret
    from shared.smtp import Mailer
    from shared.worker import Worker

    mailer = Mailer(settings)
    worker = Worker(settings)

    async def send() -> bool:
        return await send_due_resets(
            worker.database, mailer, settings, clock=worker.clock, new_secret=new_secret
        )

    async def rotate() -> bool:
        return await rotate_when_due(
            worker.database, settings, clock=worker.clock, new_id=worker.new_id
        )

    async def forget() -> bool:
        return await forget_ended(worker.database, clock=worker.clock)

    worker.jobs, worker.timers = {"sender": [send]}, {"clock": [rotate, forget]}
    worker.due_tables = [password_resets]
    return worker


SERVICE = Service(IdentitySettings, build_api, build_worker, jobs=("sender", "clock"))
