"""The real servers that tests run on."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from urllib.parse import urlsplit

import asyncpg
from psutil import pid_exists

from deploy.local.mailbox import MailboxServer
from deploy.local.servers import running_servers
from shared.migrations import upgrade

__all__ = [
    "SERVICES",
    "TestServers",
    "clone_databases",
    "drop_databases",
    "run_folder",
    "test_servers",
]

SERVICES = ("identity", "customers", "subscriptions", "billing", "notifier")


@dataclass(frozen=True, slots=True)
class TestServers:
    """`postgres_url` leads to the superuser's database; the mailbox is on loopback."""

    __test__ = False

    postgres_url: str
    kafka_bootstrap: str
    smtp_port: int
    mailbox_dir: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def database(self, name: str) -> str:
        address = urlsplit(self.postgres_url)
        return address._replace(path=f"/{name}").geturl()


def run_folder(state: Path) -> Path:
    """Make a folder of this run's own, so that two runs in one checkout do not meet.

    The logs of a run stay until a later one starts: here what ended processes left is deleted.
    """
    state.mkdir(parents=True, exist_ok=True)
    for old in state.glob("run-*"):
        if not pid_exists(int(old.name.split("-")[1])):
            rmtree(old, ignore_errors=True)
    return Path(mkdtemp(dir=state, prefix=f"run-{os.getpid()}-"))


@contextmanager
def test_servers(state: Path) -> Iterator[TestServers]:
    """Start what `KONTOR_TEST_SERVERS` asks for, with a migrated template database per service."""
    folder = run_folder(state)
    kind = os.environ.get("KONTOR_TEST_SERVERS", "embedded")
    with _containers(folder) if kind == "containers" else _embedded(folder) as servers:
        asyncio.run(_make_templates(servers))
        yield servers
    for data in ("postgres", "kafka"):
        rmtree(folder / data, ignore_errors=True)


test_servers.__test__ = False  # type: ignore[attr-defined]


@contextmanager
def _embedded(folder: Path) -> Iterator[TestServers]:
    with running_servers(folder) as servers:
        yield TestServers(
            servers.postgres_url,
            servers.kafka_bootstrap,
            servers.smtp_port,
            str(servers.mailbox_dir),
        )


@contextmanager
def _containers(folder: Path) -> Iterator[TestServers]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - only asked for
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    with (
        PostgresContainer("postgres:18", driver=None) as postgres,
        KafkaContainer().with_kraft() as kafka,
        MailboxServer(folder) as mailbox,
    ):
        yield TestServers(
            postgres.get_connection_url(),
            kafka.get_bootstrap_server(),
            mailbox.port,
            str(mailbox.folder),
        )


async def _make_templates(servers: TestServers) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        for service in SERVICES:
            await connection.execute(f"CREATE DATABASE template_{service}")
            await asyncio.to_thread(upgrade, service, servers.database(f"template_{service}"))
    finally:
        await connection.close()


async def clone_databases(servers: TestServers, suffix: str) -> dict[str, str]:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        for service in SERVICES:
            await connection.execute(
                f"CREATE DATABASE {service}_{suffix} TEMPLATE template_{service}"
            )
    finally:
        await connection.close()
    return {service: servers.database(f"{service}_{suffix}") for service in SERVICES}


async def drop_databases(servers: TestServers, suffix: str) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        for service in SERVICES:
            await connection.execute(f"DROP DATABASE {service}_{suffix} WITH (FORCE)")
    finally:
        await connection.close()
