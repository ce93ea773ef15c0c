"""The console in a real browser: the main job by clicking, by keyboard, and without scripts."""

import re
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from deploy.local.process import wait_until
from tests.e2e.browser import Desk, Stack
from tests.e2e.people import SLOW_MS, add_customer, book, new_email, new_name, take_up_post
from tests.e2e.places import places

pytestmark = pytest.mark.timeout(400)

_ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
_ONLY_COLOURS = {**_ONLY_VIOLATIONS, "runOnly": ["color-contrast"]}


def mailed(stack: Stack, email: str) -> None:
    assert wait_until(lambda: bool(stack.mails(email)), 60)
    mail = stack.mails(email)[0].message
    assert "INV-" in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]


def test_the_main_job_by_clicking_alone(stack: Stack, desk: Desk) -> None:
    page, name = desk.page, new_name()
    email = new_email()
    page.goto("/")
    add_customer(page, name, email)
    page.get_by_role("link", name="Plans").click()
    team = page.get_by_role("region", name="Team")
    team.get_by_text("Action").click(timeout=SLOW_MS)
    team.get_by_role("link", name="Make invoice for monthly cycle CHF 52.95").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("CHF 52.95")
    expect(question).to_contain_text(email)
    question.get_by_role("button", name="Make invoice").click()

    # From here on nobody touches the page until it says that the mail is out.
    strip = page.get_by_role("status").filter(has_text="Requested")
    expect(strip.locator("li.done", has_text="Mailed")).to_be_visible(timeout=SLOW_MS)
    expect(team).to_contain_text("Waiting for payment")
    expect(page.locator("#head")).to_contain_text("CHF 52.95")
    mailed(stack, email)
    page.reload()
    expect(strip.locator("li.done", has_text="Mailed")).to_be_visible()

    strip.get_by_role("link", name="INV-").click()
    page.get_by_role("link", name="Record payment").click()
    page.get_by_role("dialog").get_by_role("button", name="Record payment").click()
    expect(strip.locator("li.done", has_text="Active")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#head")).to_contain_text("Paid")
    expect(page.get_by_role("link", name="Record payment")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name=name).click()
    page.get_by_role("navigation", name="Customer").get_by_role("link", name="Plans").click()
    expect(team).to_contain_text("Active")


def test_the_main_job_without_scripts(stack: Stack, browser: Browser, state: object) -> None:
    desk = Desk.open(browser, stack, storage_state=state, java_script_enabled=False)
    page, name = desk.page, new_name()
    email = new_email()
    page.goto("/customers")
    add_customer(page, name, email)
    page.get_by_role("link", name="Plans").click()
    team = page.get_by_role("region", name="Team")

    def offered() -> bool:
        page.reload()
        return bool(team.get_by_text("Action").count())

    assert wait_until(offered, 60)
    team.get_by_text("Action").click()
    team.get_by_role("link", name="yearly").click()
    expect(page.get_by_role("main")).to_contain_text("CHF 486.45")
    page.get_by_role("button", name="Make invoice").click()

    def looks_again(words: str) -> bool:
        if page.locator("li.done", has_text=words).count():
            return True
        page.get_by_role("link", name="Look again").first.click()
        return bool(page.locator("li.done", has_text=words).count())

    assert wait_until(lambda: looks_again("Mailed"), 60)
    mailed(stack, email)
    page.get_by_role("link", name=re.compile("^INV-")).first.click()
    page.get_by_role("link", name="Record payment").click()
    page.get_by_role("button", name="Record payment").click()
    assert wait_until(lambda: looks_again("Active"), 60)
    desk.context.close()


def test_another_persons_payment_shows_up_by_itself(stack: Stack, desk: Desk) -> None:
    page = desk.page
    page.goto("/customers")
    add_customer(page, new_name(), new_email())
    archive = page.get_by_role("region", name="Archive")
    invoice = book(page, "Modules", "Archive", "monthly")

    with stack.api() as api:
        total = api.get(invoice).json()["total"]
        api.post(f"{invoice}/payments", json={"amount": total}).raise_for_status()

    expect(page.locator("li.done", has_text="Active")).to_be_visible(timeout=SLOW_MS)
    expect(archive).to_contain_text("Active")


def test_a_search_needs_no_button(desk: Desk) -> None:
    page = desk.page
    page.goto("/customers")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()

    page.keyboard.type("beispiel logistk")

    rows = page.locator("#found tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Beispiel Logistik GmbH")
    expect(page).to_have_url(re.compile("search=beispiel"))
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    expect(rows).not_to_have_count(1)


def test_everything_is_reached_by_keyboard(stack: Stack, desk: Desk) -> None:
    page = desk.page
    page.goto(places(stack)["plans-free"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()

    action = page.get_by_role("region", name="Starter").locator("summary")
    action.focus()
    page.keyboard.press("Enter")
    choice = page.get_by_role("region", name="Starter").get_by_role("link").first
    expect(choice).to_be_visible()
    page.keyboard.press("Escape")
    expect(choice).to_be_hidden()
    expect(action).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(choice).to_be_focused()
    outline = choice.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_mailed_link_leads_to_a_password(stack: Stack, browser: Browser, desk: Desk) -> None:
    email = f"{uuid4().hex[:8]}@kontor.example"
    page = desk.page
    page.goto("/operators/new")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Name").fill("Nora Neu")
    page.get_by_role("button", name="Add operator").click()

    other = take_up_post(stack, browser, email, "a good long password, yes")

    expect(other.page.get_by_role("link", name="New customer")).to_have_count(0)
    assert other.complaints == []
    other.context.close()


def test_axe_finds_nothing_serious_on_any_page(
    stack: Stack, browser: Browser, state: object
) -> None:
    desk = Desk.open(browser, stack, storage_state=state, color_scheme="light")
    found = {
        name: serious
        for name, path in {"sign-in": "/sign-in", **places(stack)}.items()
        if (serious := _serious(desk.page, path))
    }
    desk.context.close()
    assert found == {}
    assert [c for c in desk.complaints if "404" not in c] == []


def _serious(page: Page, path: str) -> list[str]:
    """By day; by night only colours can differ."""
    page.goto(path)
    page.emulate_media(color_scheme="light")
    violations = Axe().run(page, options=_ONLY_VIOLATIONS).response["violations"]
    page.emulate_media(color_scheme="dark")
    by_night = Axe().run(page, options=_ONLY_COLOURS).response["violations"]
    return [
        f"{v['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for v in (*violations, *by_night)
        if v["impact"] in {"serious", "critical"}
        for node in v["nodes"][:2]
    ]


def test_no_page_is_wider_than_a_phone(stack: Stack, browser: Browser, state: object) -> None:
    size = {"width": 390, "height": 800}
    desk = Desk.open(browser, stack, storage_state=state, viewport=size)
    wide = []
    for name, path in places(stack).items():
        desk.page.goto(path)
        if desk.page.evaluate("document.documentElement.scrollWidth") > size["width"]:
            wide.append(name)
    desk.context.close()
    assert wide == []


def test_what_the_policy_forbids_would_be_noticed(desk: Desk) -> None:
    desk.page.goto("/customers")
    desk.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x')")
    desk.page.wait_for_function("document.body.lastChild.textContent === 'x'")

    assert any("Content Security Policy" in complaint for complaint in desk.complaints)
    desk.complaints.clear()
