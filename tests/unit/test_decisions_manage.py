"""Dates, cancellation, withdrawal, and what time makes of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.decisions import Asked, cancel_renewals, due
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.subscription import (
    ScheduledChange,
    State,
    Subscription,
    due_at,
)
from shared.errors import InputInvalid
from shared.events.subscriptions import InvoiceRequested, InvoiceRequestWithdrawn
from shared.money import Money
from shared.periods import Period
from tests.unit.books import (
    ARCHIVE,
    CHAT,
    FREE,
    LARGE,
    NOW,
    SMALL,
    TODAY,
    book,
    draft,
    has,
    new_ids,
    paid_period,
    part,
)

APRIL = date(2026, 4, 1)


def types(made: Draft) -> list[str]:
    return [event.TYPE.removeprefix("subscription.") for event in made.events()]


def after(made: Draft, own: Subscription) -> Subscription:
    return made.subscriptions[own.id]


def waits(own: Subscription, **different: Any) -> Offer:
    fields: dict[str, Any] = {"is_change": True, "lapses_on": APRIL, **different}
    return Offer(UUID(int=900), own.id, own.customer_id, LARGE.id, "monthly", UUID(int=8), **fields)


# -- edited periods --------------------------------------------------------------------------------


def edit(own: Subscription, start: str = "", end: str = "", **different: Any) -> Draft:
    days = [date.fromisoformat(day) if day else None for day in (start, end)]
    return draft(book(own, **different), Asked(own.product_id, "edit_period", None, *days))


@pytest.mark.parametrize(
    ("start", "end", "field", "rule"),
    [
        ("2026-03-16", "", "start", "must not be after today, 2026-03-15"),
        ("", "2026-03-15", "end", "must be after today, 2026-03-15"),
        ("", "2020-01-01", "end", "must be after today, 2026-03-15"),
        ("", "2077-01-01", "end", "must be within 50 years"),
        ("1900-01-01", "", "start", "must be within 50 years"),
        ("2026-03-01", "2026-04-01", "end", "must differ from the present one, or start must"),
    ],
)
def test_wrong_dates_are_refused_by_name_and_rule(
    start: str, end: str, field: str, rule: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        edit(has(SMALL), start, end)

    assert [(e.field, e.rule) for e in refused.value.errors] == [(field, rule)]


def test_an_edited_end_sets_the_anchor_and_takes_the_value_along() -> None:
    own = has(SMALL)
    made = edit(own, end="2026-04-30", periods=[paid_period(own, 3000)])
    (row,) = made.saved_periods.values()

    assert types(made) == ["period_edited"]
    expected = Period(date(2026, 3, 1), date(2026, 4, 30))
    assert after(made, own) == replace(own, version=2, term=2, period=expected, anchor_day=30)
    assert (row.term, row.period, row.worth) == (2, expected, (part(own, 3000),))
    assert row.outcome == "billed"


def test_with_a_paid_next_period_only_the_start_can_be_edited() -> None:
    own = has(SMALL)
    later = paid_period(own, 3000, Period(APRIL, date(2026, 5, 1)))
    rows = [paid_period(own, 3000), later]

    with pytest.raises(InputInvalid, match="the next period is paid already"):
        edit(own, end="2026-04-20", periods=rows)
    made = edit(own, start="2026-03-10", periods=rows)
    assert [row.period for row in made.saved_periods.values()] == [
        Period(date(2026, 3, 10), APRIL),
        later.period,
    ]
    assert {row.term for row in made.saved_periods.values()} == {2}


def test_a_gift_gets_an_end_and_is_over_then() -> None:
    own = has(CHAT, origin="gift", cycle=None, period=None, anchor_day=None)
    with pytest.raises(InputInvalid, match="end: is required where there was none"):
        edit(own, start="2026-03-01")
    made = edit(own, end="2026-06-01")
    limited = after(made, own)

    assert limited.period == Period(TODAY, date(2026, 6, 1))
    assert limited.ends_on == date(2026, 6, 1)
    over = settle(due.end_canceled, limited, now=datetime(2026, 5, 31, 22, tzinfo=UTC))
    assert (types(over), after(over, own).state) == (["expired"], State.EXPIRED)


def test_a_trial_that_is_edited_reminds_of_its_new_end() -> None:
    made = edit(has(SMALL, State.TRIALING), end="2026-05-01")

    assert after(made, has(SMALL)).remind_at == datetime(2026, 4, 27, 22, tzinfo=UTC)


def test_a_scheduled_change_moves_with_the_end() -> None:
    own = has(SMALL, scheduled=ScheduledChange(FREE.id, None, APRIL))
    made = edit(own, end="2026-04-20")

    assert types(made) == ["period_edited", "change_scheduled"]
    assert after(made, own).scheduled == ScheduledChange(FREE.id, None, date(2026, 4, 20))


def test_an_offer_with_a_credit_for_other_dates_is_let_go_of() -> None:
    own = has(SMALL)
    rows = [paid_period(own, 3000)]
    upgrade = draft(book(own, periods=rows), Asked(LARGE.id, "upgrade", "monthly"))
    offer = upgrade.offers[own.id]

    made = edit(own, end="2026-05-20", periods=rows, offers=[offer])
    assert types(made) == ["change_dropped", "period_edited", "invoice.request_withdrawn"]
    made = edit(own, end="2026-05-20", offers=[replace(offer, used=())])
    assert types(made) == ["period_edited"]


# -- cancellation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.TRIALING, State.ACTIVE, State.PAST_DUE])
def test_canceled_it_runs_to_its_end_and_revoked_it_is_as_before(state: State) -> None:
    own = has(SMALL, state)
    canceled = draft(book(own), Asked(SMALL.id, "cancel"))
    left = after(canceled, own)

    assert types(canceled) == ["cancellation_scheduled"]
    assert (left.state, left.canceled_from) == (State.CANCELING, state)
    assert canceled.events()[0].ends_on == left.ends_on == APRIL  # type: ignore[attr-defined]
    assert due_at(left, "Europe/Zurich") == datetime(2026, 3, 31, 22, tzinfo=UTC)

    back = draft(book(left), Asked(SMALL.id, "revoke_cancellation"))
    reminder = datetime(2026, 3, 28, 23, tzinfo=UTC) if state is State.TRIALING else None
    assert types(back) == ["cancellation_revoked"]
    assert after(back, own) == replace(own, version=3, remind_at=reminder)


def test_canceling_lets_go_of_what_waits() -> None:
    own = has(SMALL)
    made = draft(book(own, offers=[waits(own)]), Asked(SMALL.id, "cancel"))
    assert types(made) == [
        "change_dropped",
        "cancellation_scheduled",
        "invoice.request_withdrawn",
    ]
    scheduled = replace(own, scheduled=ScheduledChange(FREE.id, None, APRIL))
    made = draft(book(scheduled), Asked(SMALL.id, "cancel"))
    assert types(made) == ["change_dropped", "cancellation_scheduled"]


def test_a_deactivated_customers_renewals_are_canceled_and_its_invoices_stay() -> None:
    plan, module = has(SMALL), has(CHAT, State.TRIALING)
    gift = has(ARCHIVE, origin="gift", cycle=None, period=None)
    made = draft(book(plan, module, gift, offers=[waits(plan)]))
    cancel_renewals(made)

    assert types(made) == ["cancellation_scheduled"]
    assert after(made, plan).state is State.CANCELING
    assert list(made.offers) == [plan.id]
    again = draft(book(after(made, plan), module, gift))
    cancel_renewals(again)
    assert again.nothing


# -- withdrawal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [s for s in State if s not in {State.EXPIRED, State.WITHDRAWN}])
def test_withdrawn_it_ends_now_and_only_what_is_paid_is_forfeited(state: State) -> None:
    own = has(SMALL, state)
    rows = [paid_period(own, 3100)] if own.period else []
    made = draft(book(own, periods=rows), Asked(SMALL.id, "withdraw"), reason="as agreed")
    (event,) = made.events()
    lost = Money(1838, "CHF") if state in {State.TRIALING, State.ACTIVE, State.CANCELING} else None

    assert after(made, own).state is State.WITHDRAWN
    assert event.TYPE == "subscription.withdrawn"
    assert (event.reason, event.forfeited) == ("as agreed", lost)  # type: ignore[attr-defined]
    assert (made.forfeited, made.credit) == (lost, Money(0, "CHF"))


def test_withdrawing_what_was_canceled_unpaid_forfeits_nothing() -> None:
    own = has(SMALL, State.CANCELING, canceled_from=State.PAST_DUE)
    made = draft(book(own, periods=[paid_period(own, 3100)]), Asked(SMALL.id, "withdraw"))

    assert made.forfeited is None


def test_withdrawing_what_waits_for_its_first_payment_lets_go_of_its_invoice() -> None:
    own = has(SMALL, State.PENDING)
    offer = waits(own, is_change=False)
    made = draft(book(own, offers=[offer]), Asked(SMALL.id, "withdraw"))

    assert types(made) == ["withdrawn", "invoice.request_withdrawn"]
    assert made.events()[1].reason == "withdrawn"  # type: ignore[attr-defined]


def test_withdrawing_also_takes_back_the_invoice_of_a_period_that_began_by_itself() -> None:
    own = has(SMALL, invoice_id=None)
    row = paid_period(own, 0, outcome="requested", request_id=UUID(int=44), worth=())
    made = draft(book(own, periods=[row]), Asked(SMALL.id, "withdraw"))
    (withdrawn,) = (e for e in made.events() if isinstance(e, InvoiceRequestWithdrawn))

    assert withdrawn.request_id == UUID(int=44)
    assert [row.outcome for row in made.saved_periods.values()] == ["skipped"]


def test_dropping_what_waits_leaves_everything_as_it_was() -> None:
    own = has(SMALL)
    made = draft(book(own, offers=[waits(own)]), Asked(SMALL.id, "drop_change"))

    assert types(made) == ["change_dropped", "invoice.request_withdrawn"]
    assert after(made, own) == replace(own, version=2)


# -- what time makes due ---------------------------------------------------------------------------


def settle(decision: due.Due, *mine: Subscription, now: datetime = NOW, **different: Any) -> Draft:
    made = Draft(book(*mine, **different), now=now, new_id=new_ids())
    decision(made)
    return made


# 00:00 on 1 April in Zurich.
MIDNIGHT = datetime(2026, 3, 31, 22, tzinfo=UTC)
BEFORE = MIDNIGHT - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("decision", "own", "event", "state"),
    [
        (due.end_trials, has(SMALL, State.TRIALING), "expired", State.EXPIRED),
        (due.end_canceled, has(SMALL, State.CANCELING), "expired", State.EXPIRED),
        (
            due.apply_scheduled_changes,
            has(SMALL, scheduled=ScheduledChange(FREE.id, None, APRIL)),
            "changed",
            State.ACTIVE,
        ),
    ],
    ids=["trial", "canceled", "change"],
)
def test_it_is_due_from_midnight_where_the_customer_is_and_once(
    decision: due.Due, own: Subscription, event: str, state: State
) -> None:
    assert settle(decision, own, now=BEFORE).nothing
    made = settle(decision, own, now=MIDNIGHT)

    assert (types(made), after(made, own).state) == ([event], state)
    assert settle(decision, after(made, own), now=MIDNIGHT).nothing


def test_what_is_paid_stays_active_at_the_end_of_its_period() -> None:
    for decision in (due.end_trials, due.end_canceled, due.apply_scheduled_changes):
        assert settle(decision, has(SMALL), now=MIDNIGHT).nothing


def test_a_trial_ends_on_its_day_though_its_offer_is_open() -> None:
    own = has(SMALL, State.TRIALING)
    made = settle(due.end_trials, own, now=MIDNIGHT, offers=[waits(own)])

    assert after(made, own).state is State.EXPIRED
    assert list(made.offers) == [own.id]


def test_the_end_of_a_trial_is_told_of_once() -> None:
    own = has(SMALL, State.TRIALING, remind_at=NOW)
    made = settle(due.remind_of_trial_end, own)

    assert types(made) == ["trial_ending"]
    assert settle(due.remind_of_trial_end, own, now=NOW - timedelta(seconds=1)).nothing
    assert settle(due.remind_of_trial_end, after(made, own)).nothing


def test_an_offer_lapses_on_its_day() -> None:
    own = has(SMALL)
    assert settle(due.lapse_offers, own, now=BEFORE, offers=[waits(own)]).nothing
    made = settle(due.lapse_offers, own, now=MIDNIGHT, offers=[waits(own)])

    assert types(made) == ["change_dropped", "invoice.request_withdrawn"]
    assert made.events()[1].reason == "lapsed"  # type: ignore[attr-defined]


@pytest.mark.parametrize("late", [0, 40])
def test_a_scheduled_change_begins_where_the_last_period_ended_however_late(late: int) -> None:
    own = has(LARGE, anchor_day=1, scheduled=ScheduledChange(SMALL.id, "monthly", APRIL))
    made = settle(due.apply_scheduled_changes, own, now=MIDNIGHT + timedelta(days=late))
    changed, (request,), (row,) = after(made, own), made.requests, made.saved_periods.values()
    expected = Period(APRIL, date(2026, 5, 1))

    assert types(made) == ["changed", "invoice.requested"]
    assert (changed.state, changed.product_id, changed.period) == (
        State.ACTIVE,
        SMALL.id,
        expected,
    )
    assert (changed.term, changed.scheduled, changed.invoice_id) == (2, None, None)
    assert isinstance(request, InvoiceRequested)
    assert (request.reason, request.expected_total) == ("change", Money(3243, "CHF"))
    assert request.lines[0].period is not None
    assert (request.lines[0].period.start, request.lines[0].period.end) == (
        expected.start,
        expected.end,
    )
    assert (row.outcome, row.request_id, row.period) == ("requested", request.request_id, expected)


def test_a_change_to_a_price_that_is_gone_is_dropped_and_nothing_else_changes() -> None:
    own = has(LARGE, scheduled=ScheduledChange(SMALL.id, "once", APRIL))
    made = settle(due.apply_scheduled_changes, own, now=MIDNIGHT)

    assert types(made) == ["change_dropped"]
    assert after(made, own) == replace(own, version=2, scheduled=None)


def test_a_plan_that_begins_by_schedule_takes_in_its_modules() -> None:
    own = has(SMALL, scheduled=ScheduledChange(LARGE.id, "monthly", APRIL))
    module = has(ARCHIVE, period=Period(date(2026, 3, 15), date(2026, 4, 15)))
    rows = [paid_period(module, 3100)]
    made = settle(due.apply_scheduled_changes, own, module, now=MIDNIGHT, periods=rows)

    assert types(made) == ["changed", "expired", "credit.requested", "invoice.requested"]
