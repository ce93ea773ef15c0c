"""What people do in a browser, that more than one test needs."""

import re
from uuid import uuid4

from playwright.sync_api import Browser, Page, expect

from deploy.local.process import wait_until
from tests.e2e.browser import Desk, Stack

__all__ = ["SLOW_MS", "add_customer", "book", "new_email", "new_name", "take_up_post"]

# The first mail waits for a process pool, and the machine may be busy.
SLOW_MS = 60_000
expect.set_options(timeout=30_000)


def new_name() -> str:
    return f"Probe {uuid4().hex[:6]} AG"


def new_email() -> str:
    return f"{uuid4().hex[:8]}@probe.example"


def add_customer(page: Page, name: str, email: str) -> None:
    page.get_by_role("link", name="New customer").click()
    page.get_by_label("Company").fill(name)
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def book(page: Page, tab: str, product: str, action: str) -> str:
    """Make the invoice for it; returns its path once it has been mailed."""
    page.get_by_role("navigation", name="Customer").get_by_role("link", name=tab).click()
    card = page.get_by_role("region", name=product)
    card.get_by_text("Action").click(timeout=SLOW_MS)
    card.get_by_role("link", name=action).click()
    page.get_by_role("dialog").get_by_role("button", name="Make invoice").click()
    expect(page.locator("li.done", has_text="Mailed")).to_be_visible(timeout=SLOW_MS)
    return str(page.locator(".steps a").first.get_attribute("href"))


def take_up_post(stack: Stack, browser: Browser, email: str, password: str) -> Desk:
    """Follow the link that a new operator was mailed, choose a password and sign in."""
    assert wait_until(lambda: bool(stack.mails(email)), 60)
    text = stack.mails(email)[0].message.get_content()
    (link,) = re.findall(r"http://\S+/password#\S+", text)
    desk = Desk.open(browser, stack)
    desk.page.goto(link)
    assert "#" not in desk.page.url
    desk.page.get_by_label("New password").fill(password)
    desk.page.get_by_role("button", name="Save password").click()
    desk.page.get_by_label("E-mail").fill(email)
    desk.page.get_by_label("Password").fill(password)
    desk.page.get_by_role("button", name="Sign in").click()
    expect(desk.page.get_by_role("heading", name="Customers")).to_be_visible()
    return desk
