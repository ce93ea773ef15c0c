"""Invoices by plain forms: money that comes and goes back, credit notes, the balance."""

from typing import Any

import pytest

from tests.console.forms import Page, Person
from tests.console.house import House
from tests.integration.steps import book_plan, in_state, paid
from tests.system import eventually


async def booked(house: House, plan: str = "Team") -> Any:
    """An open invoice of a new customer, over CHF 52.95."""
    customer = await house.new_customer()
    made = await book_plan(house.system, customer["id"], plan)
    return await house.system.invoice_of(made["request_id"])


def offered(page: Page) -> set[str]:
    """What the Action menu and the button beside it lead to."""
    base = f"{page.path}/"
    return {link.removeprefix(base) for link, _ in page.links if link.startswith(base)}


async def test_the_menu_follows_the_state(house: House, admin: Person) -> None:
    invoice = await booked(house)
    path = f"/invoices/{invoice['id']}"
    everything = {"pay", "pdf", "send", "correct", "due-date", "credit", "void", "delete"}

    assert offered(await admin.open(path)) == everything
    tab = await admin.open(f"/customers/{invoice['customer_id']}/invoices")
    assert {link for link, _ in tab.links} >= {f"{path}/{verb}" for verb in everything}
    viewer = await house.person("viewer")
    assert offered(await viewer.open(path)) == {"pdf"}
    for verb in everything - {"pdf"}:
        assert (await viewer.open(f"{path}/{verb}")).status == 403, verb

    part = await admin.send(await admin.open(f"{path}/pay"), "/pay", amount="10.00")
    assert "A part payment has been recorded." in part.text
    assert offered(part) - {link for link in offered(part) if "reverse" in link} == {
        *("pay", "pdf", "send", "due-date", "credit")
    }


async def test_what_is_paid_too_much_is_credit_and_can_be_refunded(
    house: House, admin: Person
) -> None:
    invoice = await booked(house)
    customer = f"/customers/{invoice['customer_id']}"

    over = await admin.send(
        await admin.open(f"/invoices/{invoice['id']}/pay"), "/pay", amount="1'052.95"
    )
    assert "what was too much is in the balance" in over.text
    tab = await admin.open(f"{customer}/invoices")
    assert "CHF 1,000.00 pays for the next invoice" in tab.text
    assert "Paid above what was open" in tab.text
    question = await admin.open(tab.link("Refund"))
    assert ("amount", "1000.00") in question.form("/refund").fields
    too_much = await admin.send(question, "/refund", amount="1000.01", note="To the bank")
    assert too_much.status in {409, 422}
    assert ("note", "To the bank") in too_much.form("/refund").fields
    done = await admin.send(too_much, "/refund", amount="400")
    assert "The refund has been recorded." in done.text
    assert "CHF 600.00 pays for the next invoice" in done.text
    assert "To the bank" in (await admin.open(f"{customer}/balance")).text


async def test_a_payment_is_reversed_with_a_reason(house: House, admin: Person) -> None:
    invoice = await booked(house)
    await paid(house.system, invoice)
    page = await admin.open(f"/invoices/{invoice['id']}")

    question = await admin.open(page.link("Reverse"))
    assert "owed again, with a new due date" in question.text
    bare = await admin.send(question, "/reverse")
    assert bare.status == 422
    assert 'aria-invalid="true"' in bare.html
    done = await admin.send(question, "/reverse", reason="Returned by the bank")

    assert "The payment has been reversed" in done.text
    assert "Reversed" in done.text
    assert "Returned by the bank" in done.text
    assert "pay" in offered(done)


async def test_nobody_reverses_another_invoices_payment(house: House, admin: Person) -> None:
    one, other = await booked(house), await booked(house)
    payment = (await paid(house.system, one))["payment"]

    page = await admin.open(f"/invoices/{other['id']}/payments/{payment['id']}/reverse")

    assert page.status == 404


async def test_a_line_is_credited_in_part_once_it_is_shown_what_comes_of_it(
    house: House, admin: Person
) -> None:
    invoice = await booked(house)
    first = await admin.open(f"/invoices/{invoice['id']}/credit")
    assert ("amount.1", "49.00") in first.form("/credit").fields

    much = await admin.send(first, "/credit", **{"amount.1": "50"})
    assert "part of the CHF 49.00 not credited yet" in much.text
    assert ("amount.1", "50") in much.form("/credit").fields
    shown = await admin.send(first, "/credit", **{"amount.1": "9", "reason": "Late start"})
    assert "Credited, incl. VAT" in shown.text
    assert "stays open" in shown.text
    unchanged = await house.system.get(f"/invoices/{invoice['id']}")
    assert unchanged["credited"]["amount"] == "0.00"
    done = await admin.send(shown, "/credit")

    assert "The credit note has been made." in done.text
    assert "CN-" in done.text
    assert "Late start" in done.text
    assert "CHF 9.00 credited" in done.text
    rest = await admin.open(f"/invoices/{invoice['id']}/credit")
    assert ("amount.1", "40.00") in rest.form("/credit").fields


async def test_a_credit_note_over_what_is_paid_says_what_goes_on(
    house: House, admin: Person
) -> None:
    invoice = await booked(house)
    await paid(house.system, invoice)
    subscription = invoice["lines"][0]["subscription_id"]
    await in_state(house.system, subscription, "active")

    shown = await admin.send(await admin.open(f"/invoices/{invoice['id']}/credit"), "/credit")
    assert "CHF 52.95 has been paid already: it goes to" in shown.text
    assert "a credit note ends no access" in shown.text
    assert "Withdraw" in (await admin.open(shown.link("Withdraw"))).text
    done = await admin.send(shown, "/credit")

    assert "Credited" in done.text
    assert not offered(done) & {"pay", "credit", "void"}
    again = await admin.open(f"/invoices/{invoice['id']}/credit")
    assert "Nothing is left to credit." in again.text


async def test_a_button_pressed_twice_credits_once(house: House, admin: Person) -> None:
    invoice = await booked(house)
    first = await admin.open(f"/invoices/{invoice['id']}/credit")
    shown = await admin.send(first, "/credit", **{"amount.1": "9"})

    for _ in range(2):
        await admin.send(shown, "/credit")

    notes = await house.system.get(f"/invoices/{invoice['id']}/credit-notes")
    assert len(notes["items"]) == 1


@pytest.mark.parametrize("amount", ["", "x", "0", "-1", "1e3", "NaN", "1.001"])
async def test_an_amount_that_is_none_is_refused_and_kept(
    house: House, admin: Person, amount: str
) -> None:
    invoice = await booked(house)
    first = await admin.open(f"/invoices/{invoice['id']}/credit")

    answer = await admin.send(first, "/credit", **{"amount.1": amount})

    assert "Make credit note" not in answer.text
    assert ("amount.1", amount) in answer.form("/credit").fields


async def test_what_was_mailed_is_sent_again_and_gets_a_note_when_it_is_void(
    house: House, admin: Person
) -> None:
    invoice = await booked(house)
    path = f"/invoices/{invoice['id']}"

    async def mailed(times: int) -> Any:
        now = await house.system.get(path)
        return now if len(now["mails"]) == times else None

    await eventually(lambda: mailed(1), "the invoice to be mailed", limit_s=60)
    question = await admin.open(f"{path}/send")
    assert "this one says that it is sent again" in question.text
    sent = await admin.send(question, "/send")
    assert "The mail is on its way." in sent.text
    await eventually(lambda: mailed(2), "the invoice to be mailed again", limit_s=60)

    void = await admin.open(f"{path}/void")
    assert "a cancellation note is made and mailed" in void.text
    done = await admin.send(void, "/void", reason="Twice by mistake")
    assert "cancellation-note" in offered(done)
    await drawn(admin, f"{path}/cancellation-note")


async def test_a_credit_note_is_a_document(house: House, admin: Person) -> None:
    invoice = await booked(house)
    shown = await admin.send(await admin.open(f"/invoices/{invoice['id']}/credit"), "/credit")
    done = await admin.send(shown, "/credit")

    await drawn(admin, done.link("CN-"))


async def drawn(admin: Person, path: str) -> None:
    async def look() -> bool:
        answer = await admin.client.get(path)
        return answer.status_code == 200 and answer.content.startswith(b"%PDF")

    await eventually(look, f"{path} to be drawn", limit_s=60)
