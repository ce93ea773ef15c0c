"""Each module of fault tests has a system of its own whose workers the test starts itself."""

from collections.abc import AsyncIterator

import pytest
import structlog

from tests.faults.fleet import Fleet
from tests.servers import TestServers
from tests.system import System


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """The pretty ones take a second each, and these tests make many."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


@pytest.fixture(scope="module")
async def system(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """APIs in this process, no workers."""
    built = System(
        servers, databases, tmp_path_factory.mktemp("documents"), run_workers=False, partitions=3
    )
    # A killed worker is missed after this time; the least that a busy machine still keeps up with.
    built.environment["KONTOR_SESSION_TIMEOUT_MS"] = "3000"
    async with built as running:
        yield running


@pytest.fixture(scope="module")
async def fleet(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with Fleet(system, tmp_path_factory.mktemp("processes")) as running:
        yield running
