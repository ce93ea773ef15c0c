"""The transition tables, the events they name, and the decisions that follow them."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import CheckConstraint, Table

from services.billing.domain import invoice as billing
from services.billing.domain.credit import credit
from services.billing.domain.invoice import InvoiceState
from services.billing.tables import invoices
from services.subscriptions.domain.subscription import (
    LIVE,
    TRANSITIONS,
    Offer,
    State,
    Subscription,
    TransitionImpossible,
    Trigger,
    activate_free,
    activate_paid,
    book,
    drop_booking,
)
from services.subscriptions.tables import subscriptions
from shared.errors import Conflict
from shared.events import topics
from shared.events.billing import INVOICES
from shared.events.subscriptions import SUBSCRIPTIONS
from shared.periods import Period

CUSTOMER, PLAN, PRICE = UUID(int=1), UUID(int=2), UUID(int=3)
SUBSCRIPTION, REQUEST = UUID(int=4), UUID(int=5)
TODAY = date(2026, 3, 15)

# Facts about an invoice or a request that change no state of an invoice.
BESIDE_THE_STATES = {
    "credit_balance.changed",
    "credit_note.issued",
    "invoice.document_stored",
    "invoice.rejected",
}


def subscription(state: State, **different: Any) -> Subscription:
    made = Subscription(SUBSCRIPTION, CUSTOMER, "plan", PLAN, state, version=4, term=1)
    return replace(made, **different)


def offer(**different: Any) -> Offer:
    made = Offer(REQUEST, SUBSCRIPTION, CUSTOMER, PLAN, "monthly", PRICE)
    return replace(made, **different)


def checked_states(table: Table) -> set[str]:
    """The words that the database allows in `state`."""
    (rule,) = [
        str(c.sqltext)
        for c in table.constraints
        if isinstance(c, CheckConstraint) and str(c.sqltext).startswith("state IN")
    ]
    return set(re.findall(r"'(\w+)'", rule))


# Named in the contract between services before they are published; each leaves this list with the
# edge that publishes it.
AHEAD = {
    "subscription.cancellation_revoked",
    "subscription.cancellation_scheduled",
    "subscription.change_dropped",
    "subscription.change_scheduled",
    "subscription.changed",
    "subscription.expired",
    "subscription.past_due",
    "subscription.period_edited",
    "subscription.resumed",
    "subscription.trial_ending",
    "subscription.trial_started",
    "subscription.withdrawn",
}


# -- tables and catalogue ------------------------------------------------------------------------


def test_every_transition_of_a_subscription_publishes_an_event_that_exists() -> None:
    assert {event for _, event in TRANSITIONS.values()} <= set(topics()[SUBSCRIPTIONS])


def test_every_event_of_a_subscription_belongs_to_a_transition() -> None:
    reached = {event for _, event in TRANSITIONS.values()}

    assert set(topics()[SUBSCRIPTIONS]) <= reached | AHEAD
    assert not reached & AHEAD


def test_every_transition_of_an_invoice_publishes_an_event_that_exists() -> None:
    assert {event for _, event in billing.TRANSITIONS.values()} <= set(topics()[INVOICES])


def test_every_event_of_an_invoice_belongs_to_a_transition_or_changes_no_state() -> None:
    reached = {event for _, event in billing.TRANSITIONS.values()}

    assert set(topics()[INVOICES]) - AHEAD == reached | BESIDE_THE_STATES
    assert not reached & BESIDE_THE_STATES
    assert not reached & AHEAD


def test_every_trigger_is_in_the_table() -> None:
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


def test_no_transition_leaves_a_state_without_changing_it_or_ends_nowhere() -> None:
    assert all(before != after for (before, _), (after, _) in TRANSITIONS.items())
    assert all(after is None for (_, t), (after, _) in TRANSITIONS.items() if t == "drop_booking")
    assert all(after for (_, t), (after, _) in TRANSITIONS.items() if t != "drop_booking")


@pytest.mark.parametrize(
    ("table", "states"), [(subscriptions, State), (invoices, InvoiceState)], ids=str
)
def test_the_database_allows_exactly_the_states_of_the_machine(table: Table, states: Any) -> None:
    assert checked_states(table) == {str(state) for state in states}


def test_live_is_all_but_expired_and_withdrawn() -> None:
    assert set(State) - LIVE == {State.EXPIRED, State.WITHDRAWN}
    indexes = {str(index.name): index for index in subscriptions.indexes}
    for name in ("uq_subscriptions_live_plan", "uq_subscriptions_live_product"):
        where = str(indexes[name].dialect_options["postgresql"]["where"])
        assert "state NOT IN ('expired', 'withdrawn')" in where


# -- each decision follows its table -------------------------------------------------------------


def decide(trigger: Trigger, before: State | None) -> Subscription:
    existing = subscription(before) if before else None
    same: dict[str, Any] = {
        "subscription_id": SUBSCRIPTION,
        "customer_id": CUSTOMER,
        "kind": "plan",
        "product_id": PLAN,
    }
    if trigger is Trigger.BOOK:
        return book(existing, request_id=REQUEST, cycle="monthly", price_id=PRICE, **same)[0]
    if trigger is Trigger.ACTIVATE_FREE:
        return activate_free(existing, gift=True, **same)
    assert existing is not None
    if trigger is Trigger.PAY:
        return activate_paid(existing, offer(), paid_on=TODAY)[0]
    return drop_booking(existing, offer(previous_state=State.EXPIRED))[0]


EVERYTHING = [
    (before, trigger)
    for before in (None, *State)
    for trigger in Trigger
    if before or trigger in {Trigger.BOOK, Trigger.ACTIVATE_FREE}
]


@pytest.mark.parametrize(("before", "trigger"), EVERYTHING)
def test_a_decision_does_what_the_table_says_and_refuses_the_rest(
    before: State | None, trigger: Trigger
) -> None:
    if (before, trigger) not in TRANSITIONS:
        with pytest.raises(TransitionImpossible, match=f"{trigger} is not possible"):
            decide(trigger, before)
        return
    after, _ = TRANSITIONS[before, trigger]
    decided = decide(trigger, before)

    assert decided.state is (after or State.EXPIRED)
    assert decided.version == (5 if before else 1)


def test_a_first_booking_waits_and_grants_nothing() -> None:
    booked, waiting = book(
        None,
        subscription_id=SUBSCRIPTION,
        request_id=REQUEST,
        customer_id=CUSTOMER,
        kind="module",
        product_id=PLAN,
        cycle="yearly",
        price_id=PRICE,
    )

    assert booked == Subscription(
        SUBSCRIPTION, CUSTOMER, "module", PLAN, State.PENDING, version=1, term=0
    )
    assert waiting == Offer(REQUEST, SUBSCRIPTION, CUSTOMER, PLAN, "yearly", PRICE, state="open")


def test_a_booking_after_the_end_keeps_the_subscription_and_remembers_what_it_was() -> None:
    ended = subscription(
        State.EXPIRED, term=3, origin="invoice", period=Period(date(2025, 1, 1), date(2025, 2, 1))
    )
    booked, waiting = book(
        ended,
        subscription_id=UUID(int=99),
        request_id=REQUEST,
        customer_id=CUSTOMER,
        kind="plan",
        product_id=PLAN,
        cycle="monthly",
        price_id=PRICE,
    )

    assert booked == replace(ended, state=State.PENDING, version=5)
    assert (waiting.subscription_id, waiting.previous_state) == (SUBSCRIPTION, State.EXPIRED)
    assert drop_booking(booked, waiting) == (
        replace(ended, version=6),
        replace(waiting, state="dropped"),
    )


def test_dropping_a_first_booking_leaves_it_in_history_only() -> None:
    dropped, done = drop_booking(subscription(State.PENDING), offer(previous_state=None))

    assert dropped.state is State.WITHDRAWN
    assert dropped.state not in LIVE
    assert done.state == "dropped"


@pytest.mark.parametrize(
    ("cycle", "paid_on", "end", "anchor"),
    [
        ("monthly", date(2026, 3, 15), date(2026, 4, 15), 15),
        ("monthly", date(2026, 1, 31), date(2026, 2, 28), 31),
        ("monthly", date(2028, 1, 31), date(2028, 2, 29), 31),
        ("monthly", date(2026, 1, 29), date(2026, 2, 28), 29),
        ("monthly", date(2026, 12, 31), date(2027, 1, 31), 31),
        ("yearly", date(2028, 2, 29), date(2029, 2, 28), 29),
        ("yearly", date(2026, 2, 28), date(2027, 2, 28), 28),
    ],
)
def test_a_paid_term_starts_on_the_day_of_payment_which_is_its_anchor(
    cycle: Any, paid_on: date, end: date, anchor: int
) -> None:
    activated, done = activate_paid(
        subscription(State.PENDING, origin="trial"), offer(cycle=cycle), paid_on=paid_on
    )

    assert activated == subscription(
        State.ACTIVE,
        version=5,
        term=2,
        origin="invoice",
        cycle=cycle,
        price_id=PRICE,
        period=Period(paid_on, end),
        anchor_day=anchor,
    )
    assert done == offer(cycle=cycle, state="settled")


def test_what_is_paid_once_has_no_end() -> None:
    activated, _ = activate_paid(subscription(State.PENDING), offer(cycle="once"), paid_on=TODAY)

    assert (activated.period, activated.anchor_day) == (None, None)
    assert (activated.cycle, activated.origin) == ("once", "invoice")


@pytest.mark.parametrize(("gift", "origin"), [(True, "gift"), (False, "free")])
def test_free_is_at_once_and_without_end_or_price(gift: bool, origin: str) -> None:
    ended = subscription(
        State.EXPIRED,
        term=2,
        origin="invoice",
        cycle="monthly",
        price_id=PRICE,
        period=Period(date(2025, 1, 31), date(2025, 2, 28)),
        anchor_day=31,
    )
    activated = activate_free(
        ended,
        subscription_id=UUID(int=99),
        customer_id=CUSTOMER,
        kind="plan",
        product_id=PLAN,
        gift=gift,
    )

    assert activated == subscription(State.ACTIVE, version=5, term=3, origin=origin)


# -- invoices ------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


def money_for(invoice: billing.Invoice, minor: int) -> billing.Payment:
    return billing.Payment(
        id=UUID(int=8),
        invoice_id=invoice.id,
        customer_id=CUSTOMER,
        amount=invoice.money(minor),
        method="cash",
        reference="",
        received_on=TODAY,
        recorded_at=NOW,
        recorded_by="local",
    )


def invoice_in(state: InvoiceState) -> billing.Invoice:
    """One of 10.00 in two lines, as it is after what has led it to that state."""
    credited = state is InvoiceState.CREDITED
    return billing.Invoice(
        id=UUID(int=7),
        customer_id=CUSTOMER,
        request_id=None,
        number="INV-2026-0001",
        state=state,
        version=1,
        title="Team",
        currency="CHF",
        language="de",
        invoice_date=TODAY,
        due_date=TODAY,
        tax_treatment="standard",
        subtotal_minor=1000,
        vat_minor=0,
        rounding_minor=0,
        total_minor=1000,
        vat=(),
        seller={"due_days": 10, "rounding_minor": {}},
        buyer={},
        lines=(line_of(1, 400, credited=credited), line_of(2, 600, credited=credited)),
        opened_at=NOW,
        paid_minor=1000 if state is InvoiceState.PAID or credited else 0,
        credited_minor=1000 if credited else 0,
        surplus_minor=1000 if credited else 0,
    )


def line_of(position: int, minor: int, *, credited: bool) -> billing.InvoiceLine:
    return billing.InvoiceLine(
        position=position,
        title="Team",
        description="",
        explanation="",
        quantity=Decimal(1),
        unit="",
        unit_price=Decimal(minor) / 100,
        basis="net",
        discount_percent=Decimal(0),
        vat_category="standard",
        vat_percent=Decimal(0),
        total_minor=minor,
        credited_minor=minor if credited else 0,
    )


def credited_with(invoice: billing.Invoice, amounts: dict[int, int]) -> billing.Invoice:
    changed, _ = credit(
        invoice,
        amounts,
        note_id=UUID(int=9),
        number="CN-2026-0001",
        issued_on=TODAY,
        cause="operator",
        reason="",
        created_at=NOW,
        created_by="local",
    )
    return changed


def reversed_by(invoice: billing.Invoice, minor: int) -> billing.Invoice:
    return billing.reverse_payment(invoice, money_for(invoice, minor), back_minor=0, today=TODAY)


def partly_paid(invoice: billing.Invoice) -> billing.Invoice:
    if invoice.state is not InvoiceState.OPEN:
        return invoice
    return billing.record_payment(invoice, money_for(invoice, 600), today=TODAY)


DECISIONS: dict[str, Callable[[billing.Invoice], billing.Invoice]] = {
    "pay": lambda i: billing.record_payment(i, money_for(i, 1000), today=TODAY),
    "pay_part": lambda i: billing.record_payment(i, money_for(i, 999), today=TODAY),
    "void": lambda i: billing.void(i, now=NOW),
    "credit_part": lambda i: credited_with(i, {1: 400}),
    "credit_what_is_open": lambda i: credited_with(partly_paid(i), {1: 400}),
    "credit_all": lambda i: credited_with(i, {1: 400, 2: 600}),
    "reverse": lambda i: reversed_by(partly_paid(i), 600),
}


@pytest.mark.parametrize("before", InvoiceState)
@pytest.mark.parametrize("trigger", DECISIONS)
def test_an_invoice_does_what_its_table_says_and_refuses_the_rest(
    before: InvoiceState, trigger: str
) -> None:
    if (before, trigger) == (InvoiceState.PAID, "credit_what_is_open"):
        return  # nothing is open there: it is one of the credits of a part
    invoice = invoice_in(before)

    if (before, trigger) in billing.TRANSITIONS:
        after, event = billing.TRANSITIONS[before, trigger]
        decided = DECISIONS[trigger](invoice)
        assert decided.state is after
        assert (decided.settlement > invoice.settlement) == (event == "invoice.paid")
    else:
        with pytest.raises(Conflict, match=str(before)):
            DECISIONS[trigger](invoice)


def test_the_invoice_table_has_no_other_triggers() -> None:
    assert {trigger for _, trigger in billing.TRANSITIONS} == {"open", *DECISIONS}
