"""Invoices by hand with plain forms: the editor, finalising, correcting, taking back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.console.forms import Page, Person
from tests.console.house import House
from tests.integration.steps import book_plan, paid

LINE = {"line.0.title": "Workshop", "line.0.quantity": "2", "line.0.unit_price": "450"}


async def editor(house: House, admin: Person, **customer: Any) -> Page:
    made = await house.new_customer(**customer)
    return await admin.open(f"/customers/{made['id']}/invoices/new")


async def draft(house: House, admin: Person, **typed: str) -> Page:
    """A saved draft of a new customer, over CHF 972.90 unless something else was typed."""
    return await admin.send(
        await editor(house, admin), "/invoices/new", act="save", **{**LINE, **typed}
    )


async def open_invoice(house: House, admin: Person) -> Page:
    page = await draft(house, admin, title="Onboarding")
    question = await admin.open(f"{page.path}/finalize")
    return await admin.send(question, "/finalize")


def fields(page: Page, action: str) -> dict[str, str]:
    return dict(page.form(action).fields)


async def test_a_draft_is_written_worked_out_and_saved(house: House, admin: Person) -> None:
    new = await editor(house, admin)
    assert "CHF 0.00" in new.text

    worked_out = await admin.send(new, "/invoices/new", act="totals", **LINE)
    assert worked_out.status == 200
    assert "VAT 8.1 % on CHF 900.00 CHF 72.90" in worked_out.text
    assert "Total CHF 972.90" in worked_out.text
    saved = await admin.send(worked_out, "/invoices/new", act="save", title="Onboarding")
    assert "Saved." in saved.text
    assert "Draft" in saved.text
    assert "CHF 972.90" in saved.text
    again = await admin.open(f"{saved.path}/edit")
    shown = fields(again, "/edit")
    assert (shown["title"], shown["line.0.title"]) == ("Onboarding", "Workshop")
    assert shown["line.0.unit_price"] == "450"
    changed = await admin.send(
        again, "/edit", act="save", **{"line.0.discount_percent": "10", "line.0.unit": "days"}
    )
    assert "CHF 875.60" in changed.text
    assert "less 10 %" in changed.text


async def test_lines_are_added_moved_and_removed_without_saving(
    house: House, admin: Person
) -> None:
    page = await editor(house, admin)
    page = await admin.send(page, "/invoices/new", act="add", **LINE)
    page = await admin.send(
        page, "/invoices/new", act="up:1", **{"line.1.title": "Travel", "line.1.unit_price": "80"}
    )
    shown = fields(page, "/invoices/new")
    assert (shown["line.0.title"], shown["line.1.title"]) == ("Travel", "Workshop")
    assert "Total CHF 1,059.40" in page.text

    page = await admin.send(page, "/invoices/new", act="remove:0")

    assert fields(page, "/invoices/new")["line.0.title"] == "Workshop"
    assert "Total CHF 972.90" in page.text
    customer_id = page.path.split("/")[2]
    assert (await house.system.get("/invoices", customer_id=customer_id))["items"] == []


async def test_what_is_wrong_is_said_at_its_line_and_kept(house: House, admin: Person) -> None:
    wrong = {"line.0.unit_price": "a lot", "line.0.title": "Workshop"}
    page = await admin.send(await editor(house, admin), "/invoices/new", act="totals", **wrong)
    assert page.status == 200
    assert "Line 1, unit price" in page.text

    refused = await admin.send(page, "/invoices/new", act="save")

    assert refused.status == 422
    assert 'aria-describedby="line.0.unit_price-about"' in refused.html
    assert fields(refused, "/invoices/new")["line.0.unit_price"] == "a lot"
    assert "Not saved" in refused.text


async def test_a_treatment_is_chosen_only_with_a_reason(house: House, admin: Person) -> None:
    page = await admin.send(
        await editor(house, admin), "/invoices/new", act="save", tax_treatment="exempt", **LINE
    )
    assert page.status == 422
    assert 'name="tax_treatment_reason" type="text" value="" autocomplete="off"' not in page.html
    assert "say why" in page.text

    saved = await admin.send(
        page, "/invoices/new", act="save", tax_treatment_reason="School, Art. 21 VAT Act"
    )

    assert "Saved." in saved.text
    assert "CHF 900.00" in saved.text


async def test_a_period_and_another_addressee_are_kept(house: House, admin: Person) -> None:
    typed = {
        "line.0.start": "2026-11-01",
        "line.0.last_day": "2026-11-30",
        "addressee.name": "Muster Treuhand AG",
        "addressee.address_lines": "Bahnhofstrasse 1\n8001 Zürich",
    }
    saved = await draft(house, admin, **typed)

    assert "1 Nov 2026 – 30 Nov 2026" in saved.text  # noqa: RUF001 - as it is written
    shown = fields(await admin.open(f"{saved.path}/edit"), "/edit")
    assert {name: shown[name] for name in typed} == typed


async def test_of_two_at_one_draft_the_second_is_told(house: House, admin: Person) -> None:
    saved = await draft(house, admin)
    other = await house.person("billing")
    mine, theirs = (
        await admin.open(f"{saved.path}/edit"),
        await other.open(f"{saved.path}/edit"),
    )
    await other.send(theirs, "/edit", act="save", title="Theirs")

    refused = await admin.send(mine, "/edit", act="save", title="Mine")
    assert refused.status == 412
    assert "Somebody else has saved this draft meanwhile." in refused.text
    assert fields(refused, "/edit")["title"] == "Mine"
    done = await admin.send(refused, "/edit", act="save")

    assert "Mine" in done.text


async def test_a_draft_is_finalised_once_it_is_said_what_that_means(
    house: House, admin: Person
) -> None:
    page = await draft(house, admin)
    edit = await admin.open(f"{page.path}/edit")

    question = await admin.send(edit, "/edit", act="finalize", title="Onboarding")
    assert "cannot be changed any more" in question.text
    assert "CHF 972.90 will be owed until" in question.text
    assert "not mailed by itself" in question.text
    done = await admin.send(question, "/finalize")

    assert "The invoice is finalised." in done.text
    assert "INV-" in done.text
    assert (await admin.open(f"{page.path}/edit")).path.endswith("/correct")


async def test_a_total_that_has_changed_is_asked_about_again(house: House, admin: Person) -> None:
    page = await draft(house, admin)
    question = await admin.open(f"{page.path}/finalize")
    edit = await admin.open(f"{page.path}/edit")
    await admin.send(edit, "/edit", act="save", **{"line.0.quantity": "1"})

    again = await admin.send(question, "/finalize")

    assert again.status == 409
    assert fields(again, "/finalize")["amount"] == "486.45"


async def test_an_open_invoice_is_corrected_by_a_draft_that_takes_its_place(
    house: House, admin: Person
) -> None:
    old = await open_invoice(house, admin)
    question = await admin.open(f"{old.path}/correct")
    assert "stays payable until the draft is finalised" in question.text

    edit = await admin.send(question, "/correct")
    assert "Corrected invoice" in edit.text
    asked = await admin.send(edit, "/edit", act="finalize", **{"line.0.unit_price": "400"})
    assert "becomes void in the same moment" in asked.text
    assert "Open" in (await admin.open(old.path)).text
    new = await admin.send(asked, "/finalize")

    assert "CHF 864.80" in new.text
    void = await admin.open(old.path)
    assert "Void" in void.text
    assert "has taken its place" in void.text


async def test_a_correction_keeps_the_booking_of_its_line(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    booked = await book_plan(house.system, customer["id"], "Team")
    old = await house.system.invoice_of(booked["request_id"])

    edit = await admin.send(await admin.open(f"/invoices/{old['id']}/correct"), "/correct")
    page = await admin.send(edit, "/edit", act="add")
    page = await admin.send(
        page, "/edit", act="up:1", **{"line.1.title": "Setup", "line.1.unit_price": "10"}
    )
    asked = await admin.send(page, "/edit", act="finalize")
    new = await admin.send(asked, "/finalize")

    lines = (await house.system.get(new.path))["lines"]
    assert [(line["title"], bool(line["subscription_id"])) for line in lines] == [
        ("Setup", False),
        (old["lines"][0]["title"], True),
    ]


async def test_with_a_payment_a_correction_is_refused_and_says_the_way_out(
    house: House, admin: Person
) -> None:
    old = await open_invoice(house, admin)
    edit = await admin.send(await admin.open(f"{old.path}/correct"), "/correct")
    invoice = await house.system.get(old.path)
    await paid(house.system, invoice)

    question = await admin.send(edit, "/edit", act="finalize")

    assert "credit note" in question.text
    assert [form for form in question.forms if form.action.endswith("/finalize")] == []


async def test_a_due_date_is_extended(house: House, admin: Person) -> None:
    page = await open_invoice(house, admin)
    later = datetime.now(UTC).date() + timedelta(days=60)
    question = await admin.open(f"{page.path}/due-date")

    past = await admin.send(question, "/due-date", due_date="2020-01-01")
    assert past.status in {409, 422}
    done = await admin.send(question, "/due-date", due_date=later.isoformat(), reason="Agreed")

    assert "The due date has been changed." in done.text
    assert (await house.system.get(page.path))["due_date"] == later.isoformat()


async def test_drafts_and_unpaid_invoices_are_deleted(house: House, admin: Person) -> None:
    written, opened = await draft(house, admin), await open_invoice(house, admin)

    gone = await admin.send(await admin.open(f"{written.path}/delete"), "/delete")
    assert "Deleted." in gone.text
    assert (await admin.open(written.path)).status == 404
    question = await admin.open(f"{opened.path}/delete")
    assert "The number stays accounted for." in question.text
    hidden = await admin.send(question, "/delete")

    assert "Deleted." in hidden.text
    assert opened.path not in hidden.html
    assert "Void" in (await admin.open(opened.path)).text


async def test_what_is_paid_is_not_deleted(house: House, admin: Person) -> None:
    page = await open_invoice(house, admin)
    question = await admin.open(f"{page.path}/delete")
    await paid(house.system, await house.system.get(page.path))

    refused = await admin.send(question, "/delete")

    assert refused.status == 409
    assert "credit note" in refused.text
