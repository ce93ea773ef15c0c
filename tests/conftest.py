"""Servers once per run, databases cloned per module, topics under a prefix per module.

With pytest-xdist the controller starts the servers and hands their addresses to the workers.
`KONTOR_TEST_SERVERS=containers` takes them from testcontainers instead.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings

from tests.servers import TestServers, clone_databases, drop_databases, test_servers
from tests.system import System

# The default of structlog draws tracebacks with all local variables: seconds each on the event
# loop, long enough for consumers to be thrown out of their groups.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ],
)
# Machines differ and are shared: how long one example takes is no property of the code. What lands
# is judged by the same examples each time; whoever works on it gets new ones with every run.
settings.register_profile("kontor", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("kontor")

_ROOT = Path(__file__).parent.parent
_servers = pytest.StashKey[TestServers]()
_running = pytest.StashKey[AbstractContextManager[TestServers]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, unless this is a worker or only collects."""
    given = getattr(config, "workerinput", {}).get("servers")
    if given:
        config.stash[_servers] = TestServers(**json.loads(given))
    elif not config.option.collectonly and os.environ.get("KONTOR_TEST_SERVERS") != "none":
        state = _ROOT / ".kontor" / "test"
        config.stash[_running] = running = test_servers(state)
        config.stash[_servers] = running.__enter__()


def pytest_unconfigure(config: pytest.Config) -> None:
    if running := config.stash.get(_running, None):
        running.__exit__(None, None, None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called in the controller of pytest-xdist for each worker."""
    if started := node.config.stash.get(_servers, None):
        node.workerinput["servers"] = started.to_json()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> TestServers:
    return request.config.stash[_servers]


@pytest.fixture(scope="module")
def databases(servers: TestServers) -> Iterator[dict[str, str]]:
    """An empty, migrated database per service: name -> address."""
    suffix = uuid4().hex[:12]
    urls = asyncio.run(clone_databases(servers, suffix))
    yield urls
    asyncio.run(drop_databases(servers, suffix))


@pytest.fixture(scope="module")
async def system(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """All services in this process, on databases and topics of this module's own."""
    folder = tmp_path_factory.mktemp("documents")
    async with System(servers, databases, folder) as running:
        yield running


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Like `--dist loadfile`, but all files of the console's browser tests share one stack."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped] # noqa: PLC0415

    if config.getoption("dist") != "loadfile":
        return None
    by_file = LoadFileScheduling(config, log)
    file_of, console = by_file._split_scope, "tests/e2e/test_console"
    by_file._split_scope = lambda test: console if test.startswith(console) else file_of(test)
    return by_file
