"""`python -m deploy.gateway`: all APIs and the console behind one address."""

import asyncio

from deploy.gateway.app import Gateway
from deploy.gateway.settings import GatewaySettings
from deploy.services import CONSOLE, SERVICES
from shared.asgi import serve
from shared.observability import setup_logging
from shared.service import fast_runner, stop_signal
from shared.tracing import setup_tracing


async def _run(settings: GatewaySettings) -> None:
    apps = {name: service.build_api(service.settings.load()) for name, service in SERVICES.items()}
    console = CONSOLE.build_api(CONSOLE.settings.load())
    stop = stop_signal(asyncio.get_running_loop())
    await serve(
        Gateway(apps, console),
        settings.api_host,
        settings.api_port,
        stop,
        graceful_timeout_s=settings.graceful_timeout_s,
        trusted_proxies=settings.trusted_proxies,
    )


def main() -> None:
    settings = GatewaySettings.load()
    setup_logging(settings.service, settings.log_level)
    setup_tracing(settings.service)
    with fast_runner() as runner:
        runner.run(_run(settings))


main()
