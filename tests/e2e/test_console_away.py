"""One service really does not answer, while everything else runs."""

import time
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Desk, Stack
from tests.e2e.line import Line, console_beside, open_line
from tests.e2e.places import places

pytestmark = pytest.mark.timeout(400)

_PATIENCE_S = 1.2
# What a page takes anyway, on a busy machine.
_ANYWAY_S = 1.1
_SAYS = "The billing service does not answer right now."
Trouble = Literal["silent", "cut"]


@pytest.fixture(scope="module")
def line(stack: Stack) -> Iterator[Line]:
    with open_line(stack.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def console(stack: Stack, line: Line) -> Iterator[str]:
    with console_beside(stack, _PATIENCE_S, billing=line) as url:
        yield url


@pytest.fixture
def beside(
    browser: Browser, stack: Stack, state: object, console: str, line: Line
) -> Iterator[Desk]:
    """Somebody at the console whose billing is behind the line."""
    opened = Desk.open(browser, stack, storage_state=state, base_url=console)
    yield opened
    line.trouble = ""
    opened.context.close()
    assert opened.complaints == []


@pytest.mark.parametrize("trouble", ["silent", "cut"])
def test_what_does_not_answer_costs_its_own_panel_and_no_more_than_the_patience(
    stack: Stack, beside: Desk, line: Line, trouble: Trouble
) -> None:
    page, base = beside.page, places(stack)["details"]
    shown = {
        base: ("Save", False),
        f"{base}/users": ("Vera Beispiel", False),
        f"{base}/invoices": ("Details", True),
        f"{base}/plans": ("Business", False),
        f"{base}/modules": ("Analytics", True),
        f"{base}/history": ("Customer: create", True),
        "/invoices": ("Invoices", True),
        "/failures": ("Failures", True),
        "/customers": ("Musterhotel AG", False),
    }

    line.trouble = trouble
    for path, (there, told) in shown.items():
        started = time.monotonic()
        page.goto(path)
        took_s = time.monotonic() - started
        main = page.get_by_role("main")
        expect(main).to_contain_text(there)
        assert main.get_by_text(_SAYS).count() == told, path
        assert took_s < _PATIENCE_S + _ANYWAY_S, path

    page.goto(base)
    page.get_by_label("Phone").fill("+41 44 668 18 00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{base}/invoices")
    line.trouble = ""
    page.reload()
    expect(page.get_by_role("link", name="INV-").first).to_be_visible()
    assert page.get_by_text(_SAYS).count() == 0


def test_the_steps_go_on_by_themselves_when_their_service_is_back(
    stack: Stack, beside: Desk, line: Line
) -> None:
    page = beside.page
    line.trouble = "silent"
    page.goto(f"{places(stack)['details']}/modules")
    steps = page.get_by_role("status").filter(has_text=_SAYS)
    expect(steps).to_be_visible()

    line.trouble = ""

    expect(page.locator("li.now", has_text="Payment")).to_be_visible()
    assert steps.count() == 0
