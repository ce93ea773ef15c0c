"""`python -m deploy.gateway`: all APIs behind one address."""

import asyncio

from deploy.gateway.app import Gateway
from deploy.gateway.settings import GatewaySettings
from deploy.services import SERVICES
from shared.observability import setup_logging
from shared.service import fast_runner, stop_signal
from shared.serving import serve


async def _run(settings: GatewaySettings) -> None:
    apps = {name: service.build_api(service.settings.load()) for name, service in SERVICES.items()}
    stop = stop_signal(asyncio.get_running_loop())
    await serve(Gateway(apps), settings, stop)


def main() -> None:
    settings = GatewaySettings.load()
    setup_logging(settings.service, settings.log_level)
    with fast_runner() as runner:
        runner.run(_run(settings))


main()
