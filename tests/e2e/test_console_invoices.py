"""Invoices by clicking: written by hand, sent, paid, credited, corrected and taken back."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from deploy.local.process import wait_until
from services.console.words import day
from tests.e2e.browser import Desk, Stack
from tests.e2e.people import add_customer, new_email, new_name
from tests.provider import Message

pytestmark = pytest.mark.timeout(400)


def new_invoice(page: Page, email: str = "") -> None:
    """The editor for a new customer."""
    page.goto("/customers")
    add_customer(page, new_name(), email or new_email())
    page.get_by_role("navigation", name="Customer").get_by_role("link", name="Invoices").click()
    path = page.url

    def known() -> bool:
        page.goto(path)
        page.get_by_role("link", name="New invoice").click()
        return bool(page.locator("#totals .sums").count())

    assert wait_until(known, 60)


def line(page: Page, number: int) -> Locator:
    return page.get_by_role("group", name=f"Line {number}", exact=True)


def fill(page: Page, number: int, what: str, price: str, quantity: str = "1") -> None:
    row = line(page, number)
    row.get_by_label("What").fill(what)
    row.get_by_label("Quantity").fill(quantity)
    row.get_by_label("Unit price").fill(price)


def finalised(page: Page) -> str:
    """Finalise what stands in the editor; returns the path of the invoice."""
    page.get_by_role("button", name="Save and finalise…").click()
    page.get_by_role("button", name="Finalise", exact=True).click()
    expect(page.get_by_text("The invoice is finalised.")).to_be_visible()
    return page.url.partition("?")[0]


def choose(page: Page, deed: str) -> Locator:
    page.locator("#head").get_by_text("Action", exact=True).click()
    page.get_by_role("link", name=deed).click()
    return page.get_by_role("dialog")


def pay(page: Page, amount: str = "") -> None:
    page.get_by_role("link", name="Record payment…").click()
    dialog = page.get_by_role("dialog")
    if amount:
        dialog.get_by_label("Amount in CHF").fill(amount)
    dialog.get_by_role("button", name="Record payment").click()


def test_an_invoice_is_written_finalised_sent_and_paid(stack: Stack, desk: Desk) -> None:
    page, email = desk.page, new_email()
    new_invoice(page, email)
    page.get_by_label("Title").fill("Onboarding")
    fill(page, 1, "Workshop", "450", quantity="2")
    totals = page.get_by_role("region", name="Totals")
    # Nobody presses anything: what it comes to follows what is typed.
    expect(totals).to_contain_text("CHF 972.90")
    expect(line(page, 1)).to_contain_text("CHF 900.00")
    page.get_by_role("button", name="Add line").click()
    expect(line(page, 2).get_by_label("What")).to_be_focused()
    fill(page, 2, "Travel", "80")
    expect(totals).to_contain_text("CHF 1,059.40")
    page.get_by_role("button", name="Move line 2 up").click()
    expect(line(page, 1).get_by_label("What")).to_have_value("Travel")
    page.get_by_role("button", name="Remove line 1").click()
    expect(totals).to_contain_text("CHF 972.90")
    path = finalised(page)
    expect(page.get_by_role("heading", name="INV-")).to_be_visible()
    assert stack.mails(email) == []

    dialog = choose(page, "Send by e-mail…")
    expect(dialog).to_contain_text(email)
    dialog.get_by_role("button", name="Send", exact=True).click()
    assert wait_until(lambda: bool(stack.mails(email)), 60)
    attached = stack.mails(email)[0].message.iter_attachments()
    assert [part.get_content_type() for part in attached] == ["application/pdf"]

    pay(page, "100")
    expect(page.locator("#head")).to_contain_text("Partly paid")
    pay(page, "1'000")
    expect(page.get_by_text("what was too much is in the balance")).to_be_visible()
    expect(page.locator("#head")).to_contain_text("Paid")
    assert page.url.startswith(path)
    _reverse_and_refund(page)


def _reverse_and_refund(page: Page) -> None:
    page.get_by_role("link", name="Reverse the payment of CHF 100.00").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="Leave as it is")).to_be_focused()
    dialog.get_by_label("Reason").fill("Returned by the bank")
    dialog.get_by_role("button", name="Reverse payment").click()
    expect(page.get_by_text("The payment has been reversed")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Probe").click()
    balance = page.get_by_role("region", name="Balance")
    expect(balance).to_contain_text("CHF 27.10 pays for the next invoice")
    balance.get_by_role("link", name="Refund…").click()
    page.get_by_role("dialog").get_by_role("button", name="Record refund").click()
    expect(balance).not_to_contain_text("pays for the next invoice")


def test_an_open_invoice_is_corrected_extended_credited_and_voided(desk: Desk) -> None:
    page = desk.page
    new_invoice(page)
    fill(page, 1, "Workshop", "450")
    old = finalised(page)

    dialog = choose(page, "Edit…")
    expect(dialog).to_contain_text("stays payable until the draft is finalised")
    dialog.get_by_role("button", name="Make corrected draft").click()
    line(page, 1).get_by_label("Unit price").fill("400")
    new = finalised(page)
    page.goto(old)
    expect(page.locator("#head")).to_contain_text("Void")
    page.get_by_role("link", name="INV-").first.click()
    assert page.url == new

    later = (datetime.now(UTC).date() + timedelta(days=70)).isoformat()
    dialog = choose(page, "Extend due date…")
    dialog.get_by_label("New due date").fill(later)
    dialog.get_by_role("button", name="Save due date").click()
    expect(page.locator("#head")).to_contain_text(day(later))

    dialog = choose(page, "Credit note…")
    dialog.get_by_label("Workshop").fill("100")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_contain_text("Credited, incl. VAT")
    expect(dialog).to_contain_text("CHF 108.10")
    dialog.get_by_role("button", name="Make credit note").click()
    expect(page.locator("#below")).to_contain_text("CN-")
    expect(page.locator("#head")).to_contain_text("CHF 324.30")
    page.locator("#head").get_by_text("Action", exact=True).click()
    expect(page.get_by_role("link", name="Void…")).to_have_count(0)


def test_drafts_and_unpaid_invoices_are_deleted_and_voided(desk: Desk) -> None:
    page = desk.page
    new_invoice(page)
    fill(page, 1, "Workshop", "450")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    with desk.context.expect_page() as preview:
        page.locator("#head").get_by_text("Action", exact=True).click()
        page.get_by_role("link", name="Print (PDF)").click()
    preview.value.wait_for_load_state()
    preview.value.close()
    page.reload()
    choose(page, "Delete…").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No invoices yet.")).to_be_visible()

    for deed, button, then in (
        ("Delete…", "Delete", "Deleted."),
        ("Void…", "Void invoice", "The invoice is void."),
    ):
        page.get_by_role("link", name="New invoice").click()
        fill(page, 1, "Workshop", "450")
        path = finalised(page)
        dialog = choose(page, deed)
        expect(dialog).to_contain_text("CHF 486.45 will not be owed any more.")
        dialog.get_by_role("button", name=button).click()
        expect(page.get_by_text(then)).to_be_visible()
        page.goto(path)
        expect(page.locator("#head")).to_contain_text("Void")
        page.get_by_role("main").get_by_role("link", name="Probe").click()
    expect(page.get_by_role("main")).to_contain_text("Void")


def test_money_that_fits_no_invoice_is_assigned_and_given_back(stack: Stack, desk: Desk) -> None:
    page, reference = desk.page, new_name()
    new_invoice(page)
    fill(page, 1, "Workshop", "450")
    finalised(page)
    number = page.title().partition(" ")[0]
    message = Message.of(
        "payment.received",
        payment_id=reference,
        amount={"amount": "500.00", "currency": "CHF"},
        invoice="nothing",
    )
    with stack.api() as api:
        path = "/payment-events/standard"
        api.post(path, content=message.body, headers=message.headers).raise_for_status()

    page.goto("/payments")
    row = page.get_by_role("row").filter(has_text=reference)
    row.get_by_text("Action", exact=True).click()
    row.get_by_role("link", name="Assign…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("searchbox").fill(number)
    dialog.get_by_role("button", name="Search").click()
    expect(dialog).to_contain_text("CHF 486.45")
    dialog.get_by_label("Amount in CHF").fill("486.45")
    dialog.get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#head")).to_contain_text("Paid")

    page.goto("/payments")
    expect(row).to_contain_text("CHF 13.55 left")
    row.get_by_text("Action", exact=True).click()
    row.get_by_role("link", name="Give back…").click()
    dialog.get_by_label("Note").fill("Sent back to where it came from")
    dialog.get_by_role("button", name="Note it").click()
    expect(page.get_by_text("The refund has been recorded.")).to_be_visible()
    expect(row).to_have_count(0)


def test_the_editor_without_scripts(stack: Stack, browser: Browser, state: object) -> None:
    desk = Desk.open(browser, stack, storage_state=state, java_script_enabled=False)
    page = desk.page
    new_invoice(page)
    fill(page, 1, "Workshop", "450", quantity="2")
    page.get_by_role("button", name="Add line").click()
    fill(page, 2, "Travel", "80")
    page.get_by_role("button", name="Move line 2 up").click()
    expect(line(page, 1).get_by_label("What")).to_have_value("Travel")
    page.get_by_role("button", name="Work out totals").click()
    expect(page.get_by_role("region", name="Totals")).to_contain_text("CHF 1,059.40")
    page.get_by_role("button", name="Remove line 1").click()
    line(page, 1).get_by_label("Unit price").fill("a lot")
    page.get_by_role("button", name="Save draft").click()
    expect(line(page, 1).get_by_label("Unit price")).to_have_attribute("aria-invalid", "true")
    line(page, 1).get_by_label("Unit price").fill("450")
    finalised(page)
    expect(page.get_by_role("main")).to_contain_text("CHF 972.90")
    page.get_by_role("link", name="Record payment…").click()
    page.get_by_role("button", name="Record payment").click()
    expect(page.locator("#head")).to_contain_text("Paid")
    desk.context.close()


def test_the_list_of_invoices_follows_what_is_typed_and_chosen(desk: Desk) -> None:
    page = desk.page
    page.goto("/invoices")
    rows = page.locator("#found tbody tr")
    expect(rows.first).to_be_visible()
    page.get_by_role("searchbox").fill("musterhotel")
    expect(page).to_have_url(re.compile("q=musterhotel"))
    page.get_by_text("Paid", exact=True).first.click()
    expect(page).to_have_url(re.compile("state=paid"))
    expect(rows.first).to_contain_text("Musterhotel AG")
    expect(page.locator("#found .pill", has_text="Open")).to_have_count(0)
    page.get_by_role("radio", name="Void").focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("state=credited"))
    with page.expect_download() as download:
        page.get_by_text("All", exact=True).click()
        expect(rows.first).to_be_visible()
        page.get_by_role("link", name="These as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    rows.first.get_by_text("Action", exact=True).click()
    expect(rows.first.get_by_role("link", name="Print (PDF)")).to_be_visible()
