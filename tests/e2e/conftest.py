"""One stack for all tests of the console, one browser and one signed-in operator per file."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Desk, Stack, chromium, open_browser, running_stack
from tests.e2e.places import furnish


@pytest.fixture(scope="session")
def installed() -> None:
    if chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: make browser")
        pytest.skip("Chromium is missing: make browser")


# Per file: as long as it is open, Playwright's event loop runs in the thread of all tests.
@pytest.fixture(scope="module")
def browser(installed: None) -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def stack(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("state")) as running:
        furnish(running)
        yield running


@pytest.fixture(scope="module")
def state(browser: Browser, stack: Stack) -> object:
    """Cookies of who has signed in: once per file, since only so many attempts are allowed."""
    desk = Desk.open(browser, stack).sign_in(stack)
    return desk.context.storage_state()


@pytest.fixture
def desk(browser: Browser, stack: Stack, state: object) -> Iterator[Desk]:
    opened = Desk.open(browser, stack, storage_state=state)
    yield opened
    opened.context.close()
    assert opened.complaints == []
