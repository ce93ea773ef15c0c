"""The list of all invoices, files of it, and money that fits no invoice, by plain forms."""

from typing import Any
from uuid import uuid4

import pytest

from tests.console.forms import Page, Person
from tests.console.house import House
from tests.integration.steps import book_plan, paid
from tests.provider import PaymentProvider, chf


async def invoice_of(house: House, **customer: Any) -> Any:
    made = await house.new_customer(**customer)
    booked = await book_plan(house.system, made["id"], "Team")
    return await house.system.invoice_of(booked["request_id"])


def listed(page: Page) -> list[str]:
    return [
        words for href, words in page.links if href.startswith("/invoices/") and "INV-" in words
    ]


async def test_invoices_are_found_by_number_customer_and_state(house: House, admin: Person) -> None:
    word = f"Zebra{uuid4().hex[:6]}"
    first, second = [await invoice_of(house, company_name=f"{word} AG") for _ in range(2)]
    await paid(house.system, second)
    page = await admin.open("/invoices")

    by_name = await admin.send(page, "/invoices", q=word)
    assert set(listed(by_name)) == {first["number"], second["number"]}
    assert ("q", word) in by_name.form("/invoices").fields
    assert listed(await admin.open("/invoices", q=word, state="paid")) == [second["number"]]
    assert listed(await admin.open("/invoices", q=first["number"])) == [first["number"]]
    nothing = await admin.open("/invoices", q=word, state="void")
    assert "No invoice fits." in nothing.text
    assert f"{word} AG" in by_name.text


@pytest.mark.parametrize("sort", ["", "date", "due", "-amount", "amount", "customer", "-number"])
async def test_every_order_is_paged(house: House, admin: Person, sort: str) -> None:
    word = f"Serie{uuid4().hex[:6]}"
    customer = await house.new_customer(company_name=f"{word} AG")
    for module in ("Analytics", "Archive"):
        await invoice_of(house, company_name=f"{word} {module}")
    assert customer

    page = await admin.open("/invoices", q=word, sort=sort)

    assert len(listed(page)) == 2
    assert "Next page" not in page.text


async def test_lists_that_are_long_have_pages(house: House, admin: Person) -> None:
    customer = (await house.new_customer())["id"]
    body = {"customer_id": customer, "title": f"Lang {uuid4().hex[:6]}", "lines": []}
    for _ in range(26):
        await house.system.post("/invoices", body)

    first = await admin.open("/invoices", q=body["title"], state="draft")
    second = await admin.open(f"/invoices{first.link('Next page')}")

    assert (first.text.count(body["title"]) >= 25, second.text.count("Draft") > 0) == (True, True)
    assert ("q", body["title"]) in second.form("/invoices").fields


async def test_what_the_list_shows_comes_as_a_file(house: House, admin: Person) -> None:
    word = f"Datei{uuid4().hex[:6]}"
    invoice = await invoice_of(house, company_name=f"={word}")

    page = await admin.open("/invoices", q=word)
    answer = await admin.client.get(page.link("CSV"))

    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert invoice["number"] in answer.text
    assert len(answer.text.strip().splitlines()) == 2
    assert f"'={word}" in answer.text


async def test_the_journal_is_for_certain_days(house: House, admin: Person) -> None:
    invoice = await invoice_of(house)
    page = await admin.open("/invoices/journal")
    assert "required" in page.html

    days = dict(page.form("/journal/file").fields)
    answer = await admin.client.get("/invoices/journal/file", params=days)
    assert answer.headers["content-type"].startswith("text/csv")
    assert invoice["number"] in answer.text
    for wrong in ({"from": "soon"}, {"to": ""}, {"from": "2020-01-01"}, {"to": "2020-01-01"}):
        refused = await admin.open("/invoices/journal/file", **{**days, **wrong})
        assert refused.status == 422
        assert 'aria-invalid="true"' in refused.html


# -- money that fits no invoice ----------------------------------------------------------------


@pytest.fixture(scope="module")
async def provider(house: House) -> PaymentProvider:
    return await PaymentProvider.of(house.system)


async def arrived(provider: PaymentProvider, amount: str, named: str = "nothing") -> str:
    payment_id = f"pay_{uuid4().hex}"
    outcome = await provider.says(
        "received", payment_id=payment_id, amount=chf(amount), invoice=named
    )
    assert outcome == "unallocated"
    return payment_id


async def links_of(admin: Person, house: House, payment_id: str) -> str:
    found = await house.system.get("/unallocated-payments")
    one = next(item for item in found["items"] if payment_id in item["reference"])
    return f"/payments/{one['id']}"


async def test_money_is_assigned_to_the_invoice_it_was_meant_for(
    house: House, admin: Person, provider: PaymentProvider
) -> None:
    invoice = await invoice_of(house)
    payment_id = await arrived(provider, "60.00")
    path = await links_of(admin, house, payment_id)
    page = await admin.open("/payments")
    assert payment_id in page.text
    assert "It names no invoice." in page.text

    question = await admin.open(f"{path}/assign")
    found = await admin.send(question, "/assign", q=invoice["number"])
    assert "CHF 52.95" in found.text
    post = next(form for form in found.forms if form.method == "post" and "assign" in form.action)
    assert ("amount", "60.00") in post.fields
    fields = post.filled({"invoice": invoice["id"], "amount": "52.95"})
    done = await admin.send_fields("post", post.action, fields)

    assert done.path == f"/invoices/{invoice['id']}"
    assert "Paid" in done.text
    rest = await admin.open("/payments")
    assert "CHF 7.05 left" in rest.text
    refund = await admin.open(f"{path}/refund")
    back = await admin.send(refund, "/refund", note="Back to the sender")
    assert "The refund has been recorded." in back.text
    assert payment_id not in back.text


async def test_without_an_invoice_nothing_is_assigned(
    house: House, admin: Person, provider: PaymentProvider
) -> None:
    invoice = await invoice_of(house)
    path = await links_of(admin, house, await arrived(provider, "10.00"))
    found = await admin.open(f"{path}/assign", q=invoice["number"])
    post = next(form for form in found.forms if form.method == "post" and "assign" in form.action)

    refused = await admin.send_fields("post", post.action, post.filled({"invoice": "none"}))

    assert refused.status == 422
    viewer = await house.person("viewer")
    assert (await viewer.open(f"{path}/assign")).status == 403
    assert "Assign" not in (await viewer.open("/payments")).text.replace("Assigned", "")
