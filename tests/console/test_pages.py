"""What an operator does, with plain forms: every page, two at once, and a service that is away."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.builders import MODULES, PLANS
from tests.console.forms import Page, Person
from tests.console.house import House
from tests.integration.steps import book_plan
from tests.system import System, eventually


async def settled(person: Person, path: str, words: str, *, limit_s: float = 30) -> Page:
    """Look again, as a person without scripts does, until the page says it."""

    async def look() -> Page | None:
        page = await person.open(path)
        return page if words in page.text else None

    return await eventually(look, f"{words} on {path}", limit_s=limit_s)


async def test_the_main_job_by_plain_forms(system: System, admin: Person) -> None:
    form = await admin.open("/customers/new")
    email = f"{uuid4().hex[:8]}@testfirma.example"
    made = await admin.send(
        form, "/customers/new", company_name="Testfirma AG", email=email, country="CH"
    )
    assert "The customer has been added." in made.text
    plans = await settled(admin, f"{made.path}/plans", "Make invoice for monthly cycle")
    assert "CHF 52.95" in plans.text

    path = next(link for link, _ in plans.links if f"{PLANS['Team']}%3Amake_invoice%3Am" in link)
    question = await admin.open(path)
    assert "CHF 52.95" in question.text
    assert email in question.text
    booked = await admin.send(question, "/plans/ask")
    assert "The invoice has been requested." in booked.text
    waiting = await settled(admin, booked.url, "starts when INV-", limit_s=90)
    assert "Look again" in waiting.text

    invoice = await settled(admin, waiting.link("INV-"), "Mailed , done", limit_s=90)
    assert system.mails(email)
    assert "Open" in invoice.text
    pay = await admin.open(invoice.link("Record payment"))
    assert ("amount", "52.95") in pay.form("/pay").fields
    too_much = await admin.send(pay, "/pay", amount="a lot")
    assert too_much.status == 422
    assert 'aria-invalid="true"' in too_much.html
    await admin.send(pay, "/pay", amount="10.00")
    part = await admin.open(invoice.path)
    assert "Partly paid" in part.text
    assert "CHF 42.95" in part.text
    rest = await admin.open(invoice.link("Record payment"))
    await admin.send(rest, "/pay")

    active = await settled(admin, invoice.path, "Plan Team is active")
    assert "Record payment" not in active.text
    there = await admin.open(plans.path)
    assert re.search(r"Plan Team Users 0 of 20", there.text)
    pdf = await admin.client.get(f"{invoice.path}/pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")


async def test_several_modules_go_on_one_invoice_with_its_exact_total(
    house: House, admin: Person
) -> None:
    customer = await house.new_customer()
    page = await admin.open(f"/customers/{customer['id']}/modules")
    items = [
        f"{MODULES['Analytics']}:make_invoice:yearly",
        f"{MODULES['Onboarding']}:make_invoice:once",
    ]

    question = await admin.send(page, "/modules/ask", item=items)
    assert "CHF 810.75" in question.text
    booked = await admin.send(question, "/modules/ask")
    done = await settled(admin, booked.url, "starts when INV-")
    invoice = await admin.open(done.link("INV-"))

    assert "CHF 810.75" in invoice.text
    assert "Auswertungen" in invoice.text
    assert "Einführung" in invoice.text


async def test_nothing_chosen_is_said_and_books_nothing(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    page = await admin.open(f"/customers/{customer['id']}/modules")

    question = await admin.send(page, "/modules/ask")

    assert "Choose at least one module first." in question.text
    assert [form.action for form in question.forms if form.action.endswith("/ask")] == []


async def test_a_question_is_only_a_question(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    item = f"{PLANS['Team']}:make_invoice:monthly"

    await admin.open(f"/customers/{customer['id']}/plans/ask?item={item}")

    found = await house.system.get("/subscriptions", customer_id=customer["id"])
    assert found["items"] == []


async def test_a_button_pressed_twice_books_once(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    path = f"/customers/{customer['id']}/plans/ask"
    question = await admin.open(f"{path}?item={PLANS['Team']}:make_invoice:monthly")

    first = await admin.send(question, "/plans/ask")
    second = await admin.send(question, "/plans/ask")

    assert first.url == second.url


async def test_an_amount_that_changed_is_asked_about_again(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    path = f"/customers/{customer['id']}/plans/ask"
    question = await admin.open(f"{path}?item={PLANS['Team']}:make_invoice:monthly")

    again = await admin.send(question, "/plans/ask", amount="1.00")

    assert again.status == 409
    assert "The amount is CHF 52.95 now." in again.text
    assert ("amount", "52.95") in again.form("/plans/ask").fields


@pytest.mark.parametrize("shown", ["plans", "invoice"])
async def test_nothing_on_a_page_is_older_than_its_steps(
    house: House, admin: Person, shown: str
) -> None:
    """Steps without news never look again, so what they vouch for has to be asked after them."""
    customer = await house.new_customer()
    await book_plan(house.system, customer["id"], "Team")
    path = f"/customers/{customer['id']}/plans"
    page = await settled(admin, path, "starts when INV-")
    path = page.link("INV-") if shown == "invoice" else path

    house.doorman.asked.clear()
    await admin.open(path)
    asked = [f"{request.url.host}{request.url.path}" for request in house.doorman.asked]
    steps = asked.index("subscriptions/v1/subscriptions")
    first = f"billing/v1{path}" if shown == "invoice" else "subscriptions/v1/catalogue"
    assert first in asked[steps:]
    assert f"customers/v1/customers/{customer['id']}" in asked[steps:]


async def test_a_free_plan_starts_at_once(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    path = f"/customers/{customer['id']}/plans/ask"
    question = await admin.open(f"{path}?item={PLANS['Starter']}:activate_free:")
    assert "Nothing is charged" in question.text

    done = await admin.send(question, "/plans/ask")

    assert "Active now." in done.text


async def test_a_void_invoice_drops_what_waited_for_it(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    booked = await book_plan(house.system, customer["id"], "Team")
    invoice = await house.system.invoice_of(booked["request_id"])

    question = await admin.open(f"/invoices/{invoice['id']}/void")
    assert "CHF 52.95 will not be owed any more." in question.text
    void = await admin.send(question, "/void")

    assert "Void" in void.text
    assert "what waited for it was dropped" in void.text
    await settled(admin, f"/customers/{customer['id']}/plans", "Make invoice for monthly cycle")


# -- customers and their users -----------------------------------------------------------------


async def test_a_search_is_a_plain_form_and_stands_typing_errors(
    house: House, admin: Person
) -> None:
    word = f"Zebrakontor{uuid4().hex[:4]}"
    await house.new_customer(company_name=f"{word} AG")

    found = await admin.send(await admin.open("/customers"), "/customers", search="zebrakntor")

    assert word in found.text
    assert ("search", "zebrakntor") in found.form("/customers").fields


async def test_lists_are_paged_and_filtered(house: House, admin: Person) -> None:
    for number in range(26):
        await house.system.post("/customers", _body(number))

    first = await admin.open("/customers", status="active", sort="number")
    second = await admin.open(f"/customers{first.link('Next page')}")

    assert len(re.findall(r'class="main"', first.html)) == 25
    assert second.status == 200
    rows = [set(re.findall(r'class="main" href="([^"]+)"', p.html)) for p in (first, second)]
    assert rows[1]
    assert not rows[0] & rows[1]
    gone = await admin.open("/customers", status="deactivated", search="Serie")
    assert "Nobody fits." in gone.text


def _body(number: int) -> dict[str, Any]:
    return {
        "company_name": f"Serie {number} AG",
        "country": "CH",
        "email": f"s{number}@serie.example",
    }


async def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    admin: Person,
) -> None:
    page = await admin.open("/customers/new")

    refused = await admin.send(
        page, "/customers/new", company_name="Falsch AG", email="falsch", vat_id="CHE-1"
    )

    assert refused.status == 422
    assert 'name="email" type="email" value="falsch" required aria-invalid="true"' in refused.html
    assert ("company_name", "Falsch AG") in refused.form("/customers/new").fields


async def test_of_two_who_edit_at_once_neither_loses_a_word(house: House, admin: Person) -> None:
    customer = await house.new_customer(phone="+41446681800")
    path = f"/customers/{customer['id']}"
    other = await house.person("support")
    mine, theirs = await admin.open(path), await other.open(path)

    saved = await other.send(theirs, path, city="Bern", company_name="Musterhotel Bern AG")
    assert "Saved." in saved.text
    refused = await admin.send(mine, path, company_name="Musterhotel Thun AG", postcode="3601")

    assert refused.status == 412
    assert "Somebody else has saved meanwhile." in refused.text
    assert "Meanwhile changed to “Bern”." in refused.text
    assert "Meanwhile changed to “Musterhotel Bern AG”." in refused.text
    shown = dict(refused.form(path).fields)
    assert shown["company_name"] == "Musterhotel Thun AG"
    assert shown["city"] == "Bern"
    assert shown["postcode"] == "3601"
    again = await admin.send(refused, path)
    assert "Saved." in again.text
    now = await house.system.get(f"/customers/{customer['id']}")
    assert (now["company_name"], now["city"], now["postcode"]) == (
        "Musterhotel Thun AG",
        "Bern",
        "3601",
    )


@pytest.mark.parametrize(
    ("verb", "then"),
    [("freeze", "Frozen"), ("unfreeze", "Time counts"), ("deactivate", "Deactivated")],
)
async def test_the_whole_customer_can_be_stopped(
    house: House, admin: Person, verb: str, then: str
) -> None:
    customer = await house.new_customer()
    path = f"/customers/{customer['id']}"

    done = await admin.send(await admin.open(f"{path}/ask/{verb}"), f"/ask/{verb}")

    assert then in done.text


async def test_users_are_added_edited_and_switched(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    base = f"/customers/{customer['id']}/users"
    email = f"{uuid4().hex[:8]}@musterhotel.example"
    form = await admin.open(f"{base}/new")
    twice = {"first_name": "Ina", "surname": "Muster", "email": email, "role": "owner"}

    added = await admin.send(form, "/users/new", **twice)
    assert "The user has been added." in added.text
    taken = await admin.send(await admin.open(f"{base}/new"), "/users/new", **twice)
    assert taken.status == 409
    user = await admin.open(added.link("Ina Muster"))
    assert "Changing it sends no mail" in user.text
    assert {name for name, _ in user.form(user.path).fields} == {
        *("csrf", "version", "was", "salutation", "first_name", "surname", "email")
    }
    saved = await admin.send(user, user.path, salutation="Dr.", surname="Beispiel")
    assert "Dr. Ina Beispiel" in saved.text
    off = await admin.send(user, "/deactivate")
    assert "Deactivated" in off.text
    on = await admin.send(await admin.open(user.path), "/reactivate")
    assert "Active" in on.text


# -- roles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "books", "edits", "reads_audit"),
    [
        ("viewer", False, False, False),
        ("support", False, True, False),
        ("billing", True, True, False),
        ("admin", True, True, True),
    ],
)
async def test_a_role_sees_what_it_may_do(
    house: House, role: str, *, books: bool, edits: bool, reads_audit: bool
) -> None:
    customer, person = await house.new_customer(), await house.person(role)
    path = f"/customers/{customer['id']}"

    assert ("Action" in (await person.open(f"{path}/plans")).text) == books
    assert ("New customer" in (await person.open("/customers")).text) == edits
    assert ("Save" in (await person.open(path)).text) == edits
    history = await person.open(f"{path}/history")
    assert ("for administrators only" in history.text) != reads_audit
    assert ("Customer: create" in history.text) == reads_audit


async def test_what_a_page_hides_the_services_refuse(house: House) -> None:
    customer, viewer = await house.new_customer(), await house.person("viewer")
    page = await viewer.open("/customers")
    proof = dict(page.form("/sign-out").fields)["csrf"]

    for path, fields in (
        ("/customers/new", [("company_name", "X"), ("email", "x@x.example"), ("country", "CH")]),
        (f"/customers/{customer['id']}/plans/ask", [("item", f"{PLANS['Team']}:activate_free:")]),
        ("/operators/new", [("email", "x@x.example"), ("name", "X"), ("role", "admin")]),
        ("/clients/new", [("name", "X"), ("scopes", "audit:read")]),
    ):
        refused = await viewer.send_fields("post", path, [("csrf", proof), *fields])
        assert refused.status == 403, path
    for path in ("/customers/new", "/operators/new", "/clients/new"):
        assert (await viewer.open(path)).status == 403


# -- a service is away -------------------------------------------------------------------------


@pytest.mark.parametrize("away", ["identity", "customers", "subscriptions", "billing", "notifier"])
async def test_what_does_not_answer_costs_its_own_part_of_a_page(
    house: House, admin: Person, away: str
) -> None:
    customer = await house.new_customer()
    booked = await book_plan(house.system, customer["id"], "Team")
    invoice = await house.system.invoice_of(booked["request_id"])
    base = f"/customers/{customer['id']}"
    says = f"The {away} service does not answer right now."
    tabs = {
        "": {"customers"},
        "/users": {"customers"},
        "/invoices": {"billing", "customers"},
        "/plans": {"subscriptions", "customers", "billing"},
        "/history": {"customers", "subscriptions", "billing", "notifier"},
    }
    house.doorman.away = {away}
    try:
        for tab, told_by in tabs.items():
            page = await admin.open(f"{base}{tab}")
            assert page.status == 200, f"{away} {tab}"
            assert (says in page.text) == (away in told_by), f"{away} {tab}"
        failures = await admin.open("/failures")
        assert failures.text.count("does not answer right now.") == 1
        page = await admin.open(f"/invoices/{invoice['id']}")
        assert page.status == (503 if away == "billing" else 200)
        if away != "billing":
            assert invoice["number"] in page.text
    finally:
        house.doorman.away = set()


async def test_a_page_waits_only_once_for_who_does_not_answer(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    await book_plan(house.system, customer["id"], "Team")
    path = f"/customers/{customer['id']}/plans"
    await settled(admin, path, "starts when INV-")
    house.doorman.silent = {"billing"}
    house.doorman.asked.clear()
    try:
        page = await admin.open(path)
    finally:
        house.doorman.silent = set()

    assert "The billing service does not answer right now." in page.text
    assert "Business" in page.text
    asked = [request.url.host for request in house.doorman.asked]
    assert asked.count("billing") == 1
    assert asked.count("customers") > 0
    assert "is paid" in (await admin.open(path)).text


async def test_a_form_whose_service_is_away_says_that_nothing_was_lost(
    house: House, admin: Person
) -> None:
    page = await admin.open("/customers/new")
    house.doorman.away = {"customers"}
    try:
        answer = await admin.send(page, "/customers/new", company_name="X", email="x@x.example")
    finally:
        house.doorman.away = set()

    assert answer.status == 503
    assert "Nothing was lost" in answer.text


# -- what others wrote is text -----------------------------------------------------------------

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea><script>alert(1)</script>",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("evil", EVIL)
async def test_what_is_stored_is_shown_as_text_wherever_it_is_shown(
    house: House, admin: Person, evil: str
) -> None:
    texts = {"company_name": evil, "contact_name": evil, "city": evil, "billing_name": evil}
    customer = await house.new_customer(
        **texts, billing_note=evil, address_lines=[evil], postcode=evil[:20], billing_address=[evil]
    )
    base = f"/customers/{customer['id']}"
    email = f"{uuid4().hex[:8]}@musterhotel.example"
    user = {"salutation": evil[:20], "first_name": evil, "surname": evil, "email": email}
    await house.system.post(f"{base}/users", {**user, "role": evil[:50]})
    booked = await book_plan(house.system, customer["id"], "Team")
    invoice = (await house.system.invoice_of(booked["request_id"]))["id"]
    total = {"amount": "1.00", "currency": "CHF"}
    await house.system.post(f"/invoices/{invoice}/payments", {"amount": total, "reference": evil})
    person = (await house.system.get(f"{base}/users"))["items"][0]["id"]
    client = (await house.system.post("/clients", {"name": evil, "scopes": ["audit:read"]}))["id"]

    for path in (
        *(f"{base}{tab}" for tab in ("", "/users", "/invoices", "/plans", "/modules", "/history")),
        *(f"{base}/users/{person}", f"{base}/ask/freeze", f"/invoices/{invoice}"),
        *("/customers", "/clients", f"/invoices/{invoice}/pay", f"/invoices/{invoice}/void"),
    ):
        page = await admin.open(path)
        assert page.status == 200, path
        _only_text(page)
    for parameters in ({"search": evil}, {"sort": evil}, {"status": evil}, {"done": evil}):
        _only_text(await admin.open("/customers", **parameters))
    _only_text(await admin.open(f"/clients/{client}/rotate", name=evil))
    _only_text(await admin.open("/sign-in", next=f"/{evil}"))


def _only_text(page: Page) -> None:
    assert page.active == [], page.path
    assert "49" not in "".join(re.findall(r"<h1>([^<]*)</h1>", page.html)), page.path


def test_what_runs_would_be_noticed() -> None:
    for html in (*EVIL[:2], "<a href='javascript:x'>", "<p onclick=x>", "<p style='x'>"):
        assert Page(answer_of(html)).active, html


def answer_of(html: str) -> httpx.Response:
    return httpx.Response(200, text=html, request=httpx.Request("GET", "http://console/"))


# -- administration ----------------------------------------------------------------------------


async def test_a_clients_secret_is_shown_once_and_works(house: House, admin: Person) -> None:
    form = await admin.open("/clients/new")
    none = await admin.send(form, "/clients/new", name="Shop")
    assert none.status == 422
    assert "Choose at least one." in none.text

    made = await admin.send(form, "/clients/new", name="Shop", scopes=["invoices:read"])
    client_id, secret = re.findall(r"<code>([^<]+)</code>", made.html)

    token = await (await house.system.client_with({})).post(
        "http://kontor/oauth/token",
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
    )
    assert token.status_code == 200
    listed = await admin.open("/clients")
    assert secret not in listed.html
    rotated = await admin.send(await admin.open(f"/clients/{client_id}/rotate"), "/rotate")
    assert re.findall(r"<code>([^<]+)</code>", rotated.html)[1] != secret
    off = await admin.send(await admin.open(f"/clients/{client_id}/deactivate"), "/deactivate")
    assert "switched off" in off.text


async def test_operators_are_added_changed_and_switched_off(house: House, admin: Person) -> None:
    email = f"{uuid4().hex[:8]}@seller.example"
    form = await admin.open("/operators/new")

    added = await admin.send(form, "/operators/new", email=email, name="Nora Neu", role="viewer")
    assert "Nora Neu" in added.text
    page = await admin.open(added.link("Nora Neu"))
    saved = await admin.send(page, page.path, role="billing")
    assert "Billing" in saved.text
    off = await admin.send(page, "/deactivate")
    assert "Deactivated" in off.text
    again = await admin.send(await admin.open(page.path), "/reactivate")
    assert "Done." in again.text


async def test_failures_are_tried_dry_first(house: House, admin: Person) -> None:
    event = str(uuid4())
    await house.system.rows(
        "billing",
        "INSERT INTO dead_letters (consumer, event_id, topic, partition, position, key, value,"
        " headers, reason, died_at, state)"
        " VALUES ('billing.x', $1, 'x', 0, 7, 'k', 'body <b>', '{\"ce_type\": \"a.thing\"}',"
        " 'no idea <b>', now(), 'dead') RETURNING id",
        event,
    )
    listed = await admin.open("/failures")
    assert "no idea <b>" in listed.text
    shown = await admin.open(listed.link("a.thing"))
    assert "body <b>" in shown.text

    asked = await admin.send_fields(
        "post", "/failures/billing/discard", shown.form("/replay").filled({})
    )
    assert "Give up: 1 message of billing?" in asked.text
    assert "a.thing" in (await admin.open("/failures")).text
    done = await admin.send(asked, "/discard")
    assert "Given up." in done.text
    assert "a.thing" not in done.text
    viewer = await house.person("viewer")
    assert "Handle again" not in (await viewer.open("/failures")).text
