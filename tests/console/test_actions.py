"""Plans and modules in every state: what cards offer, what dialogs say, and what comes of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.builders import MODULES, PLANS
from tests.console.forms import Page, Person
from tests.console.house import House
from tests.integration.action_steps import act, card
from tests.integration.steps import book_modules, book_plan
from tests.system import eventually


def item(product: str, action: str, cycle: str = "") -> str:
    return f"{(PLANS | MODULES)[product]}:{action}:{cycle}"


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


async def ask(person: Person, customer: Any, product: str, action: str, cycle: str = "") -> Page:
    tab = "plans" if product in PLANS else "modules"
    path = f"/customers/{customer['id']}/{tab}/ask"
    return await person.open(path, item=item(product, action, cycle))


async def confirm(person: Person, question: Page, **typed: str) -> Page:
    return await person.send(question, "/ask", **typed)


async def shows(person: Person, path: str, words: str) -> Page:
    async def look() -> Page | None:
        page = await person.open(path)
        return page if words in page.text else None

    return await eventually(look, f"{words} on {path}")


async def with_plan(house: House, plan: str = "Team", cycle: str = "monthly") -> Any:
    """A customer whose plan is paid."""
    customer = await house.new_customer()
    booked = await book_plan(house.system, customer["id"], plan, cycle)
    await pay(house, booked["request_id"])
    await in_state(house, customer, plan, "active")
    return customer


async def pay(house: House, request_id: str) -> None:
    invoice = await house.system.invoice_of(request_id)
    body = {"amount": invoice["total"]}
    await house.system.post(f"/invoices/{invoice['id']}/payments", body)


async def in_state(house: House, customer: Any, product: str, state: str) -> None:
    async def look() -> bool | None:
        return (await card(house.system, customer, product))["state"] == state or None

    await eventually(look, f"{product} {state}")


# -- starting ----------------------------------------------------------------------------------


async def test_a_test_time_says_how_long_and_starts(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    plans = await admin.open(f"/customers/{customer['id']}/plans")
    assert "Activate the test time (30 days)" in plans.text

    question = await ask(admin, customer, "Team", "start_trial")
    assert "Test Team for 30 days" in question.text
    assert "ends by itself" in question.text
    done = await confirm(admin, question)

    assert "The test has begun." in done.text
    assert "Test until" in done.text
    assert "Activate the test time" not in done.text.partition("Business")[0].partition("Team")[2]


async def test_what_is_free_or_a_gift_is_called_so(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    question = await ask(admin, customer, "Business", "activate_free")
    assert "recorded as a gift" in question.text

    done = await confirm(admin, question, reason="A good customer")

    assert "Gift" in done.text
    modules = await admin.open(f"/customers/{customer['id']}/modules")
    assert "Included in plan" in modules.text
    history = await admin.open(f"/customers/{customer['id']}/history")
    assert "Business: activated" in history.text
    assert "“A good customer”" in history.text


# -- changing ----------------------------------------------------------------------------------


async def test_an_upgrade_shows_its_credit_and_waits_beside_what_runs(
    house: House, admin: Person
) -> None:
    customer = await with_plan(house)
    path = f"/customers/{customer['id']}/plans"
    assert "Make invoice for upgrade, monthly cycle" in (await admin.open(path)).text

    question = await ask(admin, customer, "Business", "upgrade", "monthly")
    assert "Upgrade to Business" in question.text
    assert "of unused time is credited" in question.text
    assert "unused" in question.text
    booked = await confirm(admin, question)
    waiting = await shows(admin, booked.url, "starts when INV-")
    assert "Business, monthly cycle, starts when its invoice is paid" in waiting.text
    assert "Active" in waiting.text

    dropping = await ask(admin, customer, "Team", "drop_change")
    assert "what runs stays as it is" in dropping.text
    dropped = await confirm(admin, dropping)
    void = await shows(admin, dropped.url, "is void; what waited for it was dropped")
    assert "starts when its invoice is paid" not in void.text


async def test_a_paid_upgrade_is_active_only_once_it_is_in_force(
    house: House, admin: Person
) -> None:
    customer = await with_plan(house)
    booked = await confirm(admin, await ask(admin, customer, "Business", "upgrade", "yearly"))
    await pay(house, booked.url.rpartition("request=")[2])

    done = await shows(admin, booked.url, "is active: INV-")

    assert (await card(house.system, customer, "Business"))["state"] == "active"
    assert "Plan Business" in done.text


async def test_a_change_at_period_end_says_the_day_and_can_be_dropped(
    house: House, admin: Person
) -> None:
    customer = await with_plan(house)
    question = await ask(admin, customer, "Starter", "change_at_period_end", "monthly")
    assert "Change to Starter at period end" in question.text
    assert "CHF 20.55" in question.text
    done = await confirm(admin, question)
    assert "The change waits for the end of the period." in done.text
    assert "Starter, monthly cycle, from" in done.text

    after = await confirm(admin, await ask(admin, customer, "Team", "drop_change"))

    assert "What waited is dropped." in after.text
    assert "Starter, monthly cycle, from" not in after.text


# -- ending ------------------------------------------------------------------------------------


async def test_a_cancellation_is_asked_about_and_revoked(house: House, admin: Person) -> None:
    customer = await with_plan(house)
    question = await ask(admin, customer, "Team", "cancel")
    assert "Cancel Team?" in question.text
    assert "is not renewed" in question.text
    canceled = await confirm(admin, question)
    assert "Canceled, ends" in canceled.text

    back = await confirm(admin, await ask(admin, customer, "Team", "revoke_cancellation"))

    assert "It goes on as before." in back.text
    assert "Canceled, ends" not in back.text


async def test_a_withdrawal_names_what_is_lost_and_what_stays(house: House, admin: Person) -> None:
    customer = await with_plan(house)
    await act(house.system, customer, "Analytics", "activate_free")
    question = await ask(admin, customer, "Team", "withdraw")
    assert "CHF 52.95 of unused time is deleted." in question.text
    assert "Analytics stays booked." in question.text

    done = await confirm(admin, question, reason="Asked for by phone")

    assert "Withdrawn." in done.text
    history = await admin.open(f"/customers/{customer['id']}/history")
    assert "Team: withdrawn" in history.text
    assert "“Asked for by phone”" in history.text
    modules = await admin.open(f"/customers/{customer['id']}/modules")
    assert "Gift" in modules.text


# -- the period --------------------------------------------------------------------------------


async def test_a_period_is_edited_by_its_last_day(house: House, admin: Person) -> None:
    customer = await with_plan(house)
    form = await ask(admin, customer, "Team", "edit_period")
    fields = dict(form.form("/plans/ask").fields)
    before = (await card(house.system, customer, "Team"))["period"]
    shown_last = date.fromisoformat(before["end"]) - timedelta(days=1)
    assert (fields["start"], fields["last_day"]) == (before["start"], shown_last.isoformat())

    last_day = (shown_last + timedelta(days=9)).isoformat()
    preview = await admin.send(form, "/plans/ask", last_day=last_day)
    assert "Nothing is charged or credited." in preview.text
    assert "instead of" in preview.text
    assert (await card(house.system, customer, "Team"))["period"] == before
    done = await confirm(admin, preview)

    assert "The period has been edited." in done.text
    after = (await card(house.system, customer, "Team"))["period"]
    assert after["end"] == (shown_last + timedelta(days=10)).isoformat()


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ({"start": "2019-01-01", "last_day": "2020-01-01"}, "the day after it must be after today"),
        ({"start": in_days(3)}, "must not be after today"),
        ({"last_day": in_days(-3)}, "end must be after start"),
        ({"last_day": "soon"}, "must be a date"),
        ({"last_day": "9999-12-31"}, "must be a date"),
    ],
)
async def test_a_wrong_period_is_refused_at_its_field(
    house: House, admin: Person, typed: dict[str, str], rule: str
) -> None:
    customer = await house.new_customer()
    await act(house.system, customer, "Team", "start_trial")
    form = await ask(admin, customer, "Team", "edit_period")

    refused = await admin.send(form, "/plans/ask", **typed)

    assert rule in refused.text.lower()
    assert {form.action for form in refused.forms if form.method == "post"} == {"/sign-out"}
    shown = dict(refused.form("/plans/ask").fields)
    assert [shown[name] for name in typed] == list(typed.values())


# -- two at once, and things that are not known yet ----------------------------------------------


async def test_the_customer_that_was_shown_goes_with_every_action(
    house: House, admin: Person
) -> None:
    customer = await house.new_customer()
    question = await ask(admin, customer, "Team", "make_invoice", "monthly")
    assert ("version", str(customer["version"])) in question.form("/plans/ask").fields

    refused = await confirm(admin, question, version=str(customer["version"] + 7))

    assert refused.status == 409
    assert "try again in a moment" in refused.text


async def test_a_copy_that_is_not_new_enough_yet_is_asked_again(
    house: House, admin: Person
) -> None:
    customer = await house.new_customer()
    columns = "SET version = version - 1 WHERE id = $1"
    await house.system.rows("subscriptions", f"UPDATE customers {columns}", customer["id"])

    question = await ask(admin, customer, "Team", "make_invoice", "monthly")
    assert "try again in a moment" in question.text
    again = question.link("Try again")
    columns = columns.replace("-", "+")
    await house.system.rows("subscriptions", f"UPDATE customers {columns}", customer["id"])

    path = f"/customers/{customer['id']}/plans/ask"
    assert "CHF 52.95" in (await admin.open(f"{path}{again}")).text


async def test_what_nobody_knows_is_no_page_that_breaks(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    path = f"/customers/{customer['id']}/modules/ask"
    unknown = [f"{uuid4()}:make_invoice:monthly", f"{uuid4()}:withdraw:"]

    for query in (
        "item=x",
        "item=a:b:c",
        f"item={unknown[0]}",
        "&".join(f"item={u}" for u in unknown),
    ):
        page = await admin.open(f"{path}?{query}")
        assert page.status == 200, query
        assert [form for form in page.forms if form.action.endswith("/ask")] == []


async def test_what_is_not_offered_any_more_says_why(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    question = await ask(admin, customer, "Team", "start_trial")
    await act(house.system, customer, "Team", "activate_free")

    refused = await confirm(admin, question)

    assert refused.status == 409
    assert [form for form in refused.forms if form.action.endswith("/ask")] == []


async def test_who_may_only_read_sees_what_waits_and_can_not_drop_it(house: House) -> None:
    customer = await with_plan(house)
    await act(house.system, customer, "Starter", "change_at_period_end", cycle="monthly")
    viewer = await house.person("viewer")

    page = await viewer.open(f"/customers/{customer['id']}/plans")

    assert "Starter, monthly cycle, from" in page.text
    assert "Drop" not in page.text
    assert (
        "Team: change scheduled" in (await viewer.open(f"/customers/{customer['id']}/history")).text
    )
    refused = await ask(viewer, customer, "Team", "drop_change")
    assert refused.status == 403


async def test_modules_are_booked_beside_each_other(house: House, admin: Person) -> None:
    customer = await house.new_customer()
    booked = await book_modules(house.system, customer["id"], Analytics="monthly")

    page = await shows(admin, f"/customers/{customer['id']}/modules", "starts when INV-")

    assert booked["request_id"]
    assert "Waiting for payment" in page.text
