"""The whole of Kontor on this machine: servers, databases, topics, and every service."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import httpx

from deploy.local.access import private_file
from deploy.local.development_clock import clock_file
from deploy.local.process import HOST, Report, Server, quiet
from deploy.local.servers import Servers, running_servers

__all__ = ["ServiceProcess", "Stack", "create_databases", "environment", "running_stack"]


class ServiceProcess(Server):
    """One process of the product, run as the servers are: started, stopped, killed."""

    def __init__(
        self,
        state: Path,
        name: str,
        module: str,
        environment: Mapping[str, str],
        *,
        roles: tuple[str, ...] = (),
        report: Report = quiet,
    ) -> None:
        self.name = name
        super().__init__(state, report=report)
        self._module = module
        self._roles = roles
        self._environment = {**environment}
        self.ready_url = ""
        self._log_start = 0

    def prepare(self) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0

    def command(self) -> list[str]:
        # The folder tells a leftover process of this run from one of another checkout.
        marker = f"--folder={self.folder}"
        code = (
            "import runpy, sys; sys.argv.pop(1); "
            f"runpy.run_module({self._module!r}, run_name='__main__', alter_sys=True)"
        )
        return [sys.executable, "-c", code, marker, *self._roles]

    def environment(self) -> dict[str, str]:
        return self._environment

    def add_environment(self, variables: Mapping[str, str]) -> None:
        self._environment |= variables

    def is_ready(self) -> bool:
        if self.ready_url:
            try:
                return httpx.get(self.ready_url, timeout=1).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return b'"worker started"' in log.read()

    def ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


@dataclass
class Stack:
    servers: Servers
    url: str
    environment: dict[str, str]
    processes: dict[str, ServiceProcess] = field(default_factory=dict)

    def ended(self) -> str | None:
        """The name of a process that ended by itself, if there is one."""
        return next((name for name, process in self.processes.items() if process.ended()), None)


def _password(servers: Servers, service: str) -> str:
    """A password per role, made from the superuser's, so that none has to be stored."""
    return sha256(f"{urlsplit(servers.postgres_url).password}:{service}".encode()).hexdigest()


async def create_databases(servers: Servers, services: Mapping[str, object]) -> None:
    """One database and one role per service; a role can connect to its own database only."""
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        databases = {
            r["datname"] for r in await connection.fetch("SELECT datname FROM pg_database")
        }
        roles = {r["rolname"] for r in await connection.fetch("SELECT rolname FROM pg_roles")}
        for service in services:
            role, password = f"kontor_{service}", _password(servers, service)
            if role not in roles:
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            if role not in databases:
                await connection.execute(f"CREATE DATABASE {role} OWNER {role}")
                await connection.execute(f"REVOKE CONNECT ON DATABASE {role} FROM PUBLIC")
    finally:
        await connection.close()


def environment(servers: Servers, state: Path, services: Mapping[str, object]) -> dict[str, str]:
    """The settings that lead services to these servers."""
    address = urlsplit(servers.postgres_url)
    values = {
        "KONTOR_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        # Everything on one machine: memory counts more than throughput.
        "KONTOR_DATABASE_POOL_SIZE": "5",
        "KONTOR_TEST_CLOCK": str(clock_file(state)),
        "KONTOR_STORAGE_URL": f"file://{quote(str((state / 'documents').resolve()))}",
        "KONTOR_NOTIFIER_SMTP_HOST": servers.smtp_host,
        "KONTOR_NOTIFIER_SMTP_PORT": str(servers.smtp_port),
        "KONTOR_IDENTITY_SMTP_HOST": servers.smtp_host,
        "KONTOR_IDENTITY_SMTP_PORT": str(servers.smtp_port),
    }
    for service in services:
        role = f"kontor_{service}"
        values[f"KONTOR_{service.upper()}_DATABASE_URL"] = (
            f"postgresql://{role}:{_password(servers, service)}"
            f"@{address.hostname}:{address.port}/{role}"
        )
    return values


def migrate(variables: Mapping[str, str]) -> None:
    """Bring all databases and topics up to date."""
    from deploy.services import SERVICES
    from shared.service import migrate as migrate_one

    for service in SERVICES.values():
        asyncio.run(migrate_one(service, service.settings.load({**os.environ, **variables})))


@contextmanager
def running_stack(state: Path, *, report: Report = quiet) -> Iterator[Stack]:
    """Start everything and stop it at the end; what was stored before is found again."""
    state = state.resolve()
    with ExitStack() as cleanup, ThreadPoolExecutor(8) as pool:
        # Imports take as long as the servers: do both at once.
        loading = pool.submit(_service_names)
        servers = cleanup.enter_context(running_servers(state, report=report))
        services = loading.result()
        report("databases", "migrating")
        asyncio.run(create_databases(servers, services))
        variables = environment(servers, state, services)
        migrate(variables)
        report("databases", "ready")
        names = ["gateway", *services]
        processes = {name: _process(state, name, variables, report) for name in names}
        url = f"http://{HOST}:{processes['gateway'].port}"
        variables |= _trust(url)
        for process in processes.values():
            process.add_environment(_trust(url))
        _keep_for_command_line(state, variables)
        stack = Stack(servers, url, variables, processes)
        for process in processes.values():
            cleanup.callback(process.stop)
        list(pool.map(lambda process: process.start(), processes.values()))
        yield stack
        list(pool.map(lambda process: process.stop(), processes.values()))


def _process(
    state: Path, name: str, variables: Mapping[str, str], report: Report
) -> ServiceProcess:
    """The gateway answers requests on its port, a worker questions about itself."""
    gateway = name == "gateway"
    process = ServiceProcess(
        state,
        name,
        "deploy.gateway" if gateway else f"services.{name}",
        {**variables},
        report=report,
    )
    port = "API_PORT" if gateway else "MONITORING_PORT"
    process.add_environment({f"KONTOR_{name.upper()}_{port}": str(process.port)})
    if gateway:
        process.ready_url = f"http://{HOST}:{process.port}/health"
    return process


def _trust(url: str) -> dict[str, str]:
    """Whose tokens all services accept: those of identity, behind the gateway."""
    return {
        "KONTOR_AUTH_ISSUER": url,
        "KONTOR_AUTH_JWKS_URL": f"{url}/.well-known/jwks.json",
        "KONTOR_IDENTITY_CONSOLE_URL": url,
        "KONTOR_CONSOLE_SERVICES_URL": url,
    }


def _keep_for_command_line(state: Path, variables: Mapping[str, str]) -> None:
    """`kontor operator` and the like find identity's database by this."""
    own = {k: v for k, v in variables.items() if k.startswith(("KONTOR_IDENTITY_", "KONTOR_AUTH_"))}
    private_file(state / "run" / "identity.json", json.dumps(own))


def _service_names() -> dict[str, object]:
    from deploy.services import SERVICES

    return dict(SERVICES)
