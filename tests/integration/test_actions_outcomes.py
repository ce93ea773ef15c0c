"""What billing says, seats, versions, several operators: on the real stack."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from services.subscriptions.repository import books, lock_customers
from services.subscriptions.use_cases.outcomes import activate_paid_bookings
from shared.clock import new_id
from shared.events.billing import InvoicePaid, InvoicePaymentReversed, InvoiceVoided
from shared.events.customers import UserAdded, UserDeactivated
from tests.builders import MODULES, PLANS
from tests.integration.action_steps import (
    act,
    card,
    has_paid,
    history,
    offered,
    opened,
    payment_of,
    settled,
    told,
)
from tests.integration.steps import (
    database_of,
    in_state,
    new_customer,
    stored,
)
from tests.system import System, eventually

FIRST = datetime(2031, 3, 1, 12, tzinfo=UTC)
INDEXES = {"offer": "ix_offers_lapses_at", "reminder": "ix_subscriptions_remind_at_id"}


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


# -- what billing says ----------------------------------------------------------------------------


async def test_a_payment_that_goes_back_makes_past_due_and_the_next_resumes_the_same_dates(
    system: System,
) -> None:
    made, subscription_id, paid = await has_paid(system, "Team")
    before = await system.get(f"/subscriptions/{subscription_id}")
    fields = paid.model_dump(include={"customer_id", "invoice_id", "number", "lines"})
    back = InvoicePaymentReversed(
        **fields,
        version=3,
        settlement=1,
        reversed_at=datetime.now(UTC),
        due_date=date(2031, 5, 1),
        open_amount=paid.total,
    )
    await settled(system, back)
    await settled(system, back)
    overdue = await system.get(f"/subscriptions/{subscription_id}")
    assert overdue == {**before, "state": "past_due", "version": before["version"] + 1}
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["plan"]["name"] == "Team"
    refused = await act(system, made, "Business", "upgrade", cycle="monthly", expect=409)
    assert "Another plan's payment is overdue." in refused["detail"]

    await settled(system, paid.model_copy(update={"settlement": 2, "version": 4}))
    resumed = await system.get(f"/subscriptions/{subscription_id}")
    assert resumed == {**before, "version": before["version"] + 2}
    await told(system, made, "booked", "activated", "past_due", "resumed")


async def test_a_corrected_invoice_takes_along_what_is_on_it_and_drops_the_rest(
    system: System,
) -> None:
    made = await new_customer(system)
    actions = [
        {"action": "make_invoice", "module_id": MODULES[name], "cycle": "monthly"}
        for name in ("Analytics", "Archive")
    ]
    path = f"/customers/{made['id']}/module-actions"
    booked = await system.post(path, {"actions": actions})
    payment = await payment_of(system, made, booked["request_id"], datetime.now(UTC))
    old = await system.invoice_of(booked["request_id"])

    async def linked() -> bool | None:
        query = "SELECT count(*) FROM offers WHERE request_id = $1 AND invoice_id = $2"
        found = await stored(system, "subscriptions", query, booked["request_id"], old["id"])
        return True if found == [(2,)] else None

    await eventually(linked)
    kept, gone = payment.lines
    fields = {"customer_id": payment.customer_id, "version": 2, "number": "INV-2031-0001"}
    void = InvoiceVoided(
        **fields,
        invoice_id=old["id"],
        lines=payment.lines,
        replaced_by=payment.invoice_id,
    )
    await settled(system, void)
    await settled(system, opened(payment, (kept,)))
    assert gone.subscription_id
    assert kept.subscription_id
    await in_state(system, str(gone.subscription_id), "withdrawn")
    await settled(system, payment.model_copy(update={"lines": (kept,)}))
    await in_state(system, str(kept.subscription_id), "active")


# -- seats, versions, the customer ----------------------------------------------------------------


async def test_more_users_than_the_plan_allows_book_nothing_and_set_over_limit(
    system: System,
) -> None:
    made = await new_customer(system)
    await act(system, made, "Starter", "activate_free")
    people = [
        UserAdded(
            customer_id=made["id"],
            user_id=new_id(),
            version=1,
            first_name="Zoë",
            surname=f"Modèle {number}",
            email=f"zoe{number}@musterhotel.example",
        )
        for number in range(6)
    ]
    for person in people:
        await settled(system, person)
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert (entitled["max_users"], entitled["over_limit"]) == (5, True)
    found = await card(system, made, "Starter")
    assert found["reason"] == "6 active users exceed its limit of 5."
    assert offered(found) == ["edit_period", "withdraw"]
    assert "make_invoice monthly" in offered(await card(system, made, "Team"))

    last = people[-1].model_dump() | {"version": 2, "active": False}
    await settled(system, UserDeactivated(**last))
    assert (await card(system, made, "Starter"))["reason"] is None
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["over_limit"] is False


async def test_an_action_waits_for_the_customer_that_the_operator_saw(system: System) -> None:
    made = await new_customer(system)
    newer = made["version"] + 1
    refused = await act(system, made, "Team", "start_trial", customer_version=newer, expect=409)
    assert refused["type"].endswith("retry")
    await act(system, made, "Team", "start_trial", customer_version=made["version"])


async def test_a_deactivated_customers_plan_ends_with_its_period(system: System) -> None:
    made, subscription_id, _ = await has_paid(system, "Team")
    answer = await system.api.post(f"/customers/{made['id']}/deactivate")
    assert answer.is_success, answer.text
    await in_state(system, subscription_id, "canceling")
    found = await card(system, made, "Team")
    assert (offered(found), found["reason"]) == (
        ["edit_period", "withdraw"],
        "The customer is deactivated.",
    )
    assert (await history(system, subscription_id))[-1] == "subscription.cancellation_scheduled"


async def test_of_two_operators_with_different_wishes_the_later_one_is_asked_again(
    system: System,
) -> None:
    made, subscription_id, _ = await has_paid(system, "Starter")
    path = f"/customers/{made['id']}/plan-actions"
    wishes = [
        {"plan_id": PLANS[name], "action": "upgrade", "cycle": "monthly"}
        for name in ("Team", "Business")
    ] + [{"plan_id": PLANS["Starter"], "action": "withdraw"}]
    answers = await asyncio.gather(*(system.api.post(path, json=wish) for wish in wishes))
    assert {a.status_code for a in answers} <= {201, 409}
    query = "SELECT count(*) FROM offers WHERE subscription_id = $1 AND state = 'open'"
    (found,) = await stored(system, "subscriptions", query, subscription_id)
    assert found[0] <= 1
    assert (await system.get(f"/subscriptions/{subscription_id}"))["state"] == "withdrawn"


async def test_a_total_that_is_another_now_is_refused_with_all_of_the_new_preview(
    system: System,
) -> None:
    made, _, _ = await has_paid(system, "Starter")
    seen = {"amount": "1.00", "currency": "CHF"}
    refused = await act(
        system, made, "Team", "upgrade", cycle="monthly", expected_total=seen, expect=409
    )
    preview = await act(system, made, "Team", "upgrade", cycle="monthly", dry_run=True)
    assert refused["amount"] == preview["amount"]
    assert refused["preview"]["lines"] == preview["lines"]


async def test_what_is_due_is_found_by_an_index_in_its_order(system: System) -> None:
    async with database_of(system, "subscriptions") as database, database.transaction() as tx:
        for name in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
            await tx.fetch(f"SET LOCAL enable_{name} = off")
        for kind, claim in books.DUE.items():
            index = INDEXES.get(kind, "ix_subscriptions_due_at_id")
            rows = await tx.fetch(f"EXPLAIN {claim}", FIRST, 10)
            plan = "\n".join(row[0] for row in rows)
            assert f"using {index}" in plan, plan
            assert "Sort" not in plan, plan


# -- what it costs ---------------------------------------------------------------------------------


async def statements_of(system: System, payments: list[InvoicePaid]) -> list[str]:
    """What is sent to the database to settle payments in one batch."""
    sent: list[str] = []
    async with database_of(system, "subscriptions") as database, database.transaction() as tx:
        await lock_customers(tx, sorted(event.customer_id for event in payments))
        with tx._driver.query_logger(lambda query: sent.append(query.query)):
            await activate_paid_bookings(tx, payments, now=FIRST, new_id=new_id)
            await tx.flush()
    # The driver asks once per connection what types there are.
    own = ("typeinfo_tree", "set_config('jit'")
    return [query for query in sent if not any(word in query for word in own)]


async def test_a_batch_of_payments_costs_as_many_statements_as_a_single_one(
    system: System,
) -> None:
    payments = []
    for _ in range(4):
        made = await new_customer(system)
        booked = await act(system, made, "Team", "make_invoice", cycle="monthly")
        payments.append(await payment_of(system, made, booked["request_id"], FIRST))
    one, three = (
        await statements_of(system, payments[:1]),
        await statements_of(system, payments[1:]),
    )

    assert len(three) == len(one), three
    # Offers, catalogue, what runs, entitlements; then all that changes at once.
    assert len(one) <= 5, one
