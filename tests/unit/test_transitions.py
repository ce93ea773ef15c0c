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

from services.billing.domain import draft as drafting
from services.billing.domain import invoice as billing
from services.billing.domain.amending import change_due_date, void
from services.billing.domain.credit import credit
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import InvoiceState
from services.billing.tables import invoices
from services.subscriptions.domain.subscription import (
    LIVE,
    TRANSITIONS,
    State,
    Subscription,
    TransitionImpossible,
    Trigger,
    moved,
)
from services.subscriptions.tables import subscriptions
from shared.errors import Conflict
from shared.events import topics
from shared.events.billing import INVOICES
from shared.events.subscriptions import SUBSCRIPTIONS

CUSTOMER, PLAN, SUBSCRIPTION = UUID(int=1), UUID(int=2), UUID(int=4)
TODAY = date(2026, 3, 15)

# Facts about an invoice or a request that change no state of an invoice.
BESIDE_THE_STATES = {
    "credit_balance.changed",
    "credit_note.issued",
    "invoice.document_stored",
    "invoice.rejected",
    "payment.unallocated",
    "invoice.send_requested",
}


def subscription(state: State, **different: Any) -> Subscription:
    made = Subscription(SUBSCRIPTION, CUSTOMER, "plan", PLAN, state, version=4, term=1)
    return replace(made, **different)


def checked_states(table: Table) -> set[str]:
    """The words that the database allows in `state`."""
    (rule,) = [
        str(c.sqltext)
        for c in table.constraints
        if isinstance(c, CheckConstraint) and str(c.sqltext).startswith("state IN")
    ]
    return set(re.findall(r"'(\w+)'", rule))


# -- tables and catalogue ------------------------------------------------------------------------


def test_every_transition_of_a_subscription_publishes_an_event_that_exists() -> None:
    assert {event for _, event in TRANSITIONS.values()} <= set(topics()[SUBSCRIPTIONS])


def test_every_event_of_a_subscription_belongs_to_a_transition() -> None:
    reached = {event for _, event in TRANSITIONS.values()}

    assert set(topics()[SUBSCRIPTIONS]) == reached


def test_every_transition_of_an_invoice_publishes_an_event_that_exists() -> None:
    assert {event for _, event in billing.TRANSITIONS.values() if event} <= set(topics()[INVOICES])


def test_nothing_is_told_of_a_draft_until_it_is_an_invoice() -> None:
    for (before, _), (after, event) in billing.TRANSITIONS.items():
        only_a_draft = {before, after} <= {None, InvoiceState.DRAFT}
        assert (event is None) == only_a_draft


def test_every_event_of_an_invoice_belongs_to_a_transition_or_changes_no_state() -> None:
    reached = {event for _, event in billing.TRANSITIONS.values() if event}

    assert set(topics()[INVOICES]) == reached | BESIDE_THE_STATES
    assert not reached & BESIDE_THE_STATES


def test_every_trigger_is_in_the_table() -> None:
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


def test_only_revoking_leads_back_to_wherever_it_was() -> None:
    assert {t for (_, t), (after, _) in TRANSITIONS.items() if after is None} == {Trigger.REVOKE}


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


# -- each step follows its table -----------------------------------------------------------------

EVERYTHING = [(before, trigger) for before in (None, *State) for trigger in Trigger]


@pytest.mark.parametrize(("before", "trigger"), EVERYTHING)
def test_a_step_leads_where_the_table_says_and_nowhere_else(
    before: State | None, trigger: Trigger
) -> None:
    existing = subscription(before or State.PENDING, canceled_from=State.PAST_DUE)
    if (before, trigger) not in TRANSITIONS:
        with pytest.raises(TransitionImpossible, match=f"{trigger} is not possible"):
            moved(existing, trigger, new=before is None)
        return
    after, _ = TRANSITIONS[before, trigger]
    decided = moved(existing, trigger, new=before is None)

    assert decided.state is (after or State.PAST_DUE)
    assert decided.version == 5


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
    "void": lambda i: void(i, now=NOW),
    "delete": lambda i: void(i, now=NOW, hidden=True),
    "change_due_date": lambda i: change_due_date(i, TODAY, today=TODAY),
    "credit_part": lambda i: credited_with(i, {1: 400}),
    "credit_what_is_open": lambda i: credited_with(partly_paid(i), {1: 400}),
    "credit_all": lambda i: credited_with(i, {1: 400, 2: 600}),
    "reverse": lambda i: reversed_by(partly_paid(i), 600),
}


def draft_of(invoice: billing.Invoice) -> Draft:
    return drafting.correction_of(invoice, draft_id=UUID(int=6), today=TODAY)


# Of what has no number yet: it is a thing of its own.
DRAFTED: dict[str, Callable[[Draft], Draft | billing.Invoice]] = {
    "edit": lambda d: drafting.without_line(d, 1),
    "finalize": lambda d: drafting.finalize(
        d, request_id=None, number="INV-2026-0002", invoice_date=TODAY, now=NOW
    ),
}


@pytest.mark.parametrize("trigger", DRAFTED)
def test_a_draft_does_what_its_table_says(trigger: str) -> None:
    after, _ = billing.TRANSITIONS[InvoiceState.DRAFT, trigger]

    assert DRAFTED[trigger](draft_of(invoice_in(InvoiceState.OPEN))).state is after


@pytest.mark.parametrize("before", [s for s in InvoiceState if s is not InvoiceState.DRAFT])
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
    assert {trigger for _, trigger in billing.TRANSITIONS} == {
        "open",
        "draft",
        *DRAFTED,
        *DECISIONS,
    }
