"""What others wrote is text on every page: nothing of it runs, and it is shown as it was given."""

import re
from io import BytesIO
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from deploy.local.process import wait_until
from tests.e2e.browser import Desk, Stack
from tests.e2e.people import SLOW_MS, new_email

pytestmark = pytest.mark.timeout(400)

HOSTILE = [
    "\"><svg onload=alert(1)>' autofocus onfocus='alert(1)",
    "</textarea></title></select><script>alert(1)</script>",
    "<img src=x onerror=alert(1)><a href='javascript:alert(1)'>here</a>",
    '{{ 7 * 7 }}{% raw %}${7*7} &lt;b&gt; &amp; "quoted" \u202egnp.exe =1+1',
    "<div hx-get=/sign-out hx-trigger=load><style>*{display:none}</style>",
]
# What stands in the text of a page, and in what can be typed over.
_SHOWN = """() => [document.body.innerText, document.title,
  ...[...document.querySelectorAll("input, textarea")].map((field) => field.value)].join("\\n")"""


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_came_through_the_api_is_text_on_every_page(
    stack: Stack, desk: Desk, hostile: str
) -> None:
    for path, how_often in _spread(stack, hostile).items():
        desk.page.goto(path)
        shown = desk.page.evaluate(_SHOWN)
        assert shown.count(hostile) >= how_often, path
        assert "49" not in desk.page.title(), path
    desk.page.goto("/customers")
    desk.page.get_by_role("searchbox").fill(hostile)
    expect(desk.page.locator("#found")).to_contain_text(f"“{hostile}”")


def _spread(stack: Stack, hostile: str) -> dict[str, int]:
    """Put it wherever there is room; returns path -> how often at least it has to be there."""
    name, email = hostile[:100], new_email()
    body = {
        "company_name": name,
        "contact_name": name,
        "address_lines": [name],
        "city": name,
        "country": "CH",
        "email": email,
        "billing_name": name,
        "billing_address": [name],
        "billing_note": hostile,
    }
    with stack.api() as api:

        def post(path: str, body: Any) -> Any:
            return api.post(path, json=body).raise_for_status().json()

        customer = post("/customers", body)["id"]
        base = f"/customers/{customer}"
        person = {"first_name": name, "surname": name, "email": email, "role": hostile[:50]}
        user = post(f"{base}/users", person)["id"]
        operator = {"name": name, "email": new_email(), "role": "viewer"}
        operator = post("/operators", operator)["id"]
        client = post("/clients", {"name": name, "scopes": ["audit:read"]})["id"]
        # Billing hears of a customer a moment after it was made.
        balance = f"{base}/balance"
        assert wait_until(lambda: api.get(balance).is_success, 60)
        draft = post("/invoices", _invoice(customer, hostile))["id"]
        opened = post("/invoices", _invoice(customer, hostile))["id"]
        api.post(f"/invoices/{opened}/finalize").raise_for_status()
        part = {"amount": {"amount": "1.00", "currency": "CHF"}}
        post(f"/invoices/{opened}/credit-notes", _credit(hostile))
        paid = post(f"/invoices/{opened}/payments", {**part, "reference": hostile})["payment"]["id"]
        api.post(f"/payments/{paid}/reverse", json={"reason": hostile}).raise_for_status()
    return {
        base: 8,
        f"{base}/users": 2,
        f"{base}/users/{user}": 3,
        f"{base}/users/new": 1,
        f"{base}/invoices": 3,
        f"/invoices/{draft}": 4,
        f"/invoices/{draft}/edit": 8,
        f"/invoices/{draft}/finalize": 0,
        f"/invoices/{opened}": 6,
        f"/invoices/{opened}/pay": 0,
        f"/invoices/{opened}/credit": 1,
        f"/invoices/{opened}/correct": 0,
        "/invoices": 2,
        f"{base}/plans": 1,
        f"{base}/modules": 1,
        f"{base}/history": 1,
        f"{base}/ask/freeze": 1,
        "/customers": 2,
        f"/operators/{operator}": 1,
        f"/clients/{client}/deactivate?name=Demo": 0,
    }


def _invoice(customer: str, hostile: str) -> dict[str, Any]:
    name = hostile[:100]
    line = {"title": hostile, "description": hostile, "unit": hostile[:20], "unit_price": "10"}
    addressee = {"name": name, "contact_name": name, "address_lines": [name]}
    return {
        "customer_id": customer,
        "title": hostile,
        "lines": [line],
        "addressee": {**addressee, "billing_note": hostile},
        "tax_treatment": "exempt",
        "tax_treatment_reason": hostile,
    }


def _credit(hostile: str) -> dict[str, Any]:
    return {
        "lines": [{"position": 1, "amount": {"amount": "1.00", "currency": "CHF"}}],
        "reason": hostile,
    }


def test_what_came_through_forms_is_text_on_pages_mails_and_invoices(
    stack: Stack, desk: Desk
) -> None:
    page, hostile, email = desk.page, HOSTILE[0], new_email()
    page.goto("/customers/new")
    for label in ("Company", "Contact person", "Address", "City", "Name on invoices"):
        page.get_by_label(label, exact=True).fill(hostile)
    page.get_by_label("Note on invoices").fill(HOSTILE[1])
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_label("Website").fill("javascript:alert(1)")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_label("Website")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Company")).to_have_value(hostile)
    desk.complaints.clear()  # Chromium reports the 422 itself
    page.get_by_label("Website").fill("")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", name=hostile)).to_be_visible()
    _add_user(page, hostile)

    page.get_by_role("link", name="Plans").click()
    team = page.get_by_role("region", name="Team")
    team.get_by_text("Action").click(timeout=SLOW_MS)
    team.get_by_role("link", name="monthly").click()
    expect(page.get_by_role("dialog")).to_contain_text(hostile)
    page.get_by_role("dialog").get_by_role("button", name="Make invoice").click()
    expect(page.locator("li.done", has_text="Mailed")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("link", name="INV-").first.click()
    expect(page.get_by_role("main")).to_contain_text(hostile)
    _pay(page, hostile)
    _mail_and_pdf_are_in_order(stack, desk, hostile, email)


def _add_user(page: Page, hostile: str) -> None:
    page.get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Add user").click()
    for label, room in (("First name", 100), ("Surname", 100), ("Role", 50)):
        page.get_by_label(label).fill(hostile[:room])
    page.get_by_label("E-mail").fill(new_email())
    page.get_by_role("button", name="Add user").click()
    expect(page.get_by_role("link", name=f"{hostile} {hostile}")).to_be_visible()


def _pay(page: Page, hostile: str) -> None:
    page.get_by_role("link", name="Record payment").click()
    page.get_by_label("Reference").fill(hostile)
    page.get_by_role("dialog").get_by_role("button", name="Record payment").click()
    expect(page.locator("li.done", has_text="Active")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#below")).to_contain_text(hostile)


def _mail_and_pdf_are_in_order(stack: Stack, desk: Desk, hostile: str, email: str) -> None:
    number = desk.page.title().partition(" ")[0]
    pdf = desk.context.request.get(f"{desk.page.url.partition('?')[0]}/pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert re.fullmatch(rf'inline; filename="{number}\.pdf"', pdf.headers["content-disposition"])
    text = PdfReader(BytesIO(pdf.body())).pages[0].extract_text()
    assert "svg onload" in text
    assert wait_until(lambda: bool(stack.mails(email)), 60)
    mail = stack.mails(email)[0].message
    assert number in mail["Subject"]
    assert "\n" not in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None
    assert hostile not in html.get_content()
