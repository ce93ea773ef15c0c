"""What runs is changed by clicking: all of it in dialogs, and the page follows by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from services.console.words import day
from tests.e2e.browser import Desk, Stack
from tests.e2e.people import SLOW_MS, add_customer, book, new_email, new_name

pytestmark = pytest.mark.timeout(400)


def choose(page: Page, product: str, action: str) -> Locator:
    card = page.get_by_role("region", name=product)
    card.get_by_text("Action", exact=True).click(timeout=SLOW_MS)
    card.get_by_role("link", name=action).click()
    return page.get_by_role("dialog")


def test_a_plan_is_upgraded_dropped_edited_and_withdrawn(stack: Stack, desk: Desk) -> None:
    page = desk.page
    page.goto("/customers")
    add_customer(page, new_name(), new_email())
    invoice = book(page, "Plans", "Team", "monthly")
    with stack.api() as api:
        total = api.get(invoice).json()["total"]
        api.post(f"{invoice}/payments", json={"amount": total}).raise_for_status()
    team = page.get_by_role("region", name="Team")
    expect(team).to_contain_text("Active", timeout=SLOW_MS)

    upgrade = choose(page, "Business", "Make invoice for upgrade, yearly cycle")
    expect(upgrade).to_contain_text("of unused time is credited")
    upgrade.get_by_role("button", name="Make invoice").click()
    expect(team).to_contain_text("Business, yearly cycle, starts when its invoice is paid")
    expect(team).to_contain_text("Active")

    team.get_by_role("link", name="Drop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Drop it").click()
    strip = page.get_by_role("status").filter(has_text="Requested")
    expect(strip).to_contain_text("is void; what waited for it was dropped", timeout=SLOW_MS)
    expect(team).not_to_contain_text("starts when its invoice is paid")
    expect(page.locator("#head")).to_contain_text("CHF 0.00")

    _edit_period(page, team)
    withdrawal = choose(page, "Team", "Withdraw")
    expect(withdrawal).to_contain_text("of unused time is deleted")
    expect(withdrawal.get_by_role("link", name="Leave as it is")).to_be_focused()
    withdrawal.get_by_label("Reason").fill("Asked for by phone")
    withdrawal.get_by_role("button", name="Withdraw now").click()
    expect(page.get_by_text("Withdrawn.")).to_be_visible()
    expect(page.locator("#head")).to_contain_text("None")
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("“Asked for by phone”")).to_be_visible()


def _take(page: Page, product: str, action: str, button: str) -> Locator:
    """Choose an action, agree to what it says; returns the product's card."""
    dialog = choose(page, product, action)
    dialog.get_by_role("button", name=button, exact=True).click()
    return page.get_by_role("region", name=product)


def _pay(stack: Stack, invoice: str) -> None:
    with stack.api() as api:
        amount = api.get(invoice).json()["open_amount"]
        api.post(f"{invoice}/payments", json={"amount": amount}).raise_for_status()


def _waiting_invoice(page: Page, card: Locator) -> str:
    link = card.get_by_role("link", name="its invoice")
    expect(link).to_be_visible(timeout=SLOW_MS)
    return str(link.get_attribute("href"))


def test_a_plan_goes_from_test_to_paid_and_on(stack: Stack, desk: Desk) -> None:
    page = desk.page
    page.goto("/customers")
    add_customer(page, new_name(), new_email())
    page.get_by_role("navigation", name="Customer").get_by_role("link", name="Plans").click()

    card = _take(page, "Starter", "Activate the test time (30 days)", "Start the test")
    expect(card).to_contain_text("Test until")
    card = _take(page, "Starter", "Cancel at expiry date", "Cancel at expiry date")
    expect(card).to_contain_text("Canceled")
    card = _take(page, "Starter", "Revoke cancellation", "Revoke cancellation")
    expect(card).to_contain_text("Test until")

    card = _take(page, "Starter", "Make invoice for monthly cycle", "Make invoice")
    expect(card).to_contain_text("Test until")
    _pay(stack, _waiting_invoice(page, card))
    expect(card.locator(".period")).to_contain_text("monthly", timeout=SLOW_MS)
    card = _take(page, "Starter", "Make invoice for yearly cycle", "Make invoice")
    _pay(stack, _waiting_invoice(page, card))
    expect(card.locator(".period")).to_contain_text("yearly", timeout=SLOW_MS)
    card = _take(page, "Starter", "Change at period end, monthly cycle", "Change at period end")
    expect(card).to_contain_text("Starter, monthly cycle, from")
    card = _take(page, "Starter", "Drop the change", "Drop it")
    expect(card).not_to_contain_text("monthly cycle, from")

    card = _take(page, "Team", "Activate now, free", "Activate now")
    expect(card).to_contain_text("Gift")
    expect(page.locator("#head")).to_contain_text("Team")


def test_modules_are_tested_given_booked_and_withdrawn(stack: Stack, desk: Desk) -> None:
    page = desk.page
    page.goto("/customers")
    add_customer(page, new_name(), new_email())
    page.get_by_role("navigation", name="Customer").get_by_role("link", name="Modules").click()

    card = _take(page, "Analytics", "Activate the test time (14 days)", "Start the test")
    expect(card).to_contain_text("Test until")
    card = _take(page, "Archive", "Activate now, free", "Activate now")
    expect(card).to_contain_text("Gift")
    card = _take(page, "Onboarding", "Make invoice for a one-time fee", "Make invoice")
    invoice = page.locator(".steps a").first
    expect(invoice).to_be_visible(timeout=SLOW_MS)
    _pay(stack, str(invoice.get_attribute("href")))
    expect(card).to_contain_text("Active", timeout=SLOW_MS)
    for name in ("Analytics", "Archive", "Onboarding"):
        card = _take(page, name, "Withdraw", "Withdraw now")
        expect(card).to_contain_text("Make invoice")


def _edit_period(page: Page, team: Locator) -> None:
    """The wrong dates and the right ones, without leaving the dialog."""
    here = page.url
    dialog = choose(page, "Team", "Edit period")
    dialog.get_by_label("Last day").fill("2020-01-01")
    dialog.get_by_label("First day").fill("2019-01-01")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog.get_by_label("Last day")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Last day")).to_have_value("2020-01-01")
    today = datetime.now(UTC).date()
    last = today + timedelta(days=99)
    dialog.get_by_label("First day").fill((today - timedelta(days=1)).isoformat())
    dialog.get_by_label("Last day").fill(last.isoformat())
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_contain_text("Nothing is charged or credited.")
    assert page.url == here
    dialog.get_by_role("button", name="Save period").click()
    expect(page.get_by_text("The period has been edited.")).to_be_visible()
    expect(team).to_contain_text(day(last.isoformat()))
