"""What billing says of an invoice, and what becomes of what waited for it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.decisions import Asked, outcomes
from services.subscriptions.domain.decisions.outcomes import Found
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.subscription import State, Subscription
from shared.events.billing import (
    InvoiceCredited,
    InvoicedLine,
    InvoicePaid,
    InvoicePaymentReversed,
    InvoiceRejected,
    InvoiceVoided,
)
from shared.events.subscriptions import CreditRequested
from shared.money import Money
from shared.periods import Period
from tests.unit.books import (
    ARCHIVE,
    CHAT,
    LARGE,
    NOW,
    SMALL,
    book,
    draft,
    has,
    new_ids,
    paid_period,
    part,
)

REQUEST, INVOICE, OTHER = UUID(int=900), UUID(int=901), UUID(int=902)
PAID_AT = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)  # 21 March in Zurich


def types(made: Draft) -> list[str]:
    return [event.TYPE.removeprefix("subscription.") for event in made.events()]


def offer(own: Subscription, **different: Any) -> Offer:
    fields: dict[str, Any] = {"product_id": own.product_id, "invoice_id": INVOICE, **different}
    product = fields.pop("product_id")
    return Offer(REQUEST, own.id, own.customer_id, product, "monthly", UUID(int=8), **fields)


def line(own: Subscription, minor: int = 3000, **different: Any) -> InvoicedLine:
    fields: dict[str, Any] = {
        "position": 1,
        "title": "Small",
        "total": Money(minor, "CHF"),
        "subscription_id": own.id,
        "request_id": REQUEST,
        "basis": "net",
        "vat_percent": Decimal("8.1"),
        **different,
    }
    return InvoicedLine(**fields)


def event(kind: type[Any], own: Subscription, *lines: InvoicedLine, **different: Any) -> Any:
    more: dict[type[Any], dict[str, Any]] = {
        InvoicePaid: {"settlement": 1, "paid_at": PAID_AT, "total": Money(3243, "CHF")},
        InvoiceVoided: {},
        InvoicePaymentReversed: {
            "settlement": 1,
            "reversed_at": NOW,
            "due_date": date(2026, 4, 20),
            "open_amount": Money(3243, "CHF"),
        },
        InvoiceCredited: {
            "credit_note_id": UUID(int=77),
            "credit_note_number": "CN-2026-0001",
            "credited": Money(1081, "CHF"),
            "to_balance": Money(1081, "CHF"),
            "open_amount": Money(0, "CHF"),
        },
    }
    fields: dict[str, Any] = {
        "customer_id": own.customer_id,
        "invoice_id": INVOICE,
        "version": 2,
        "number": "INV-2026-0001",
        "lines": lines or (line(own),),
        **more[kind],
        **different,
    }
    return kind(**fields)


def told(decision: Any, told_of: Any, *mine: Subscription, found: Found, **different: Any) -> Draft:
    waiting = [o for o in found.offers.values() if o.state == "open"]
    made = Draft(book(*mine, offers=waiting, **different), now=NOW, new_id=new_ids())
    decision(made, told_of, found)
    return made


def of(*offers: Offer) -> Found:
    return Found({(o.request_id, o.subscription_id): o for o in offers})


def paid(own: Subscription, waiting: Offer, *more: Subscription, **different: Any) -> Draft:
    given = different.pop("event", None) or event(InvoicePaid, own)
    return told(outcomes.invoice_paid, given, own, *more, found=of(waiting), **different)


# -- paid ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "origin"),
    [
        (State.PENDING, None),
        (State.TRIALING, "trial"),
        (State.ACTIVE, "gift"),
        (State.ACTIVE, "free"),
        (State.EXPIRED, "trial"),
    ],
)
def test_paid_it_is_active_from_the_customers_own_day_of_the_payment(
    state: State, origin: Any
) -> None:
    own = has(SMALL, state, origin=origin, cycle=None, invoice_id=None)
    made = paid(own, offer(own))
    active, (row,) = made.subscriptions[own.id], made.saved_periods.values()

    assert types(made) == ["activated"]
    assert (active.state, active.origin, active.term) == (State.ACTIVE, "invoice", own.term + 1)
    assert active.period == Period(date(2026, 3, 21), date(2026, 4, 21))
    assert (active.anchor_day, active.invoice_id) == (21, INVOICE)
    assert (row.outcome, row.worth) == ("billed", (part(active, 3000),))
    assert made.saved_offers[REQUEST, own.id].state == "settled"


def test_a_paid_upgrade_changes_the_plan_and_keeps_its_subscription() -> None:
    own = has(SMALL)
    credit = line(own, -1645, position=2)
    given = event(InvoicePaid, own, line(own, 9000), credit)
    made = paid(own, offer(own, product_id=LARGE.id, is_change=True), event=given)
    changed, (row,) = made.subscriptions[own.id], made.saved_periods.values()
    (message,) = made.events()

    assert message.TYPE == "subscription.changed"
    assert message.previous.name == "Small"  # type: ignore[attr-defined]
    assert (changed.product_id, changed.term, changed.state) == (LARGE.id, 2, State.ACTIVE)
    # What a credit line paid of it is worth as much as what money paid.
    assert [p.minor for p in row.worth] == [9000]


@pytest.mark.parametrize("state", [State.CANCELING, State.EXPIRED, State.TRIALING, State.PAST_DUE])
def test_a_paid_change_begins_whatever_has_become_of_the_plan(state: State) -> None:
    own = has(SMALL, state)
    made = paid(own, offer(own, product_id=LARGE.id, is_change=True))

    assert types(made) == ["changed"]
    assert made.subscriptions[own.id].state is State.ACTIVE
    assert made.subscriptions[own.id].canceled_from is None


def test_the_rest_of_a_credit_is_asked_for_when_the_change_takes_effect() -> None:
    own = has(SMALL)
    row = replace(paid_period(own, 3100).worth[0], currency="EUR")
    upgrade = draft(
        book(own, periods=[paid_period(own, 3100, worth=(row,))]),
        Asked(LARGE.id, "upgrade", "monthly"),
    )
    waiting = replace(upgrade.offers[own.id], request_id=REQUEST)
    made = paid(own, waiting)

    assert not any(isinstance(e, CreditRequested) for e in upgrade.events())
    (credit,) = (e for e in made.events() if isinstance(e, CreditRequested))
    assert credit.lines[0].amount == Money(1700, "EUR")


@pytest.mark.parametrize("covered", [True, False])
def test_a_plan_that_is_paid_takes_in_its_modules_and_credits_each_once(covered: bool) -> None:
    module = has(ARCHIVE)
    rows = [paid_period(module, 3100)]
    booking = draft(
        book(*([module] if covered else []), periods=rows),
        Asked(LARGE.id, "make_invoice", "monthly"),
    )
    own = booking.steps[0].after
    waiting = replace(booking.offers[own.id], request_id=REQUEST)
    made = paid(own, waiting, module, periods=rows)

    assert made.subscriptions[module.id].state is State.EXPIRED
    assert types(made)[:2] == ["activated", "expired"]
    # Booked after the invoice was made, it is not on it.
    assert types(made)[2:] == ([] if covered else ["credit.requested"])


def test_what_was_dropped_stays_dropped_and_only_the_history_tells() -> None:
    own = has(SMALL, State.WITHDRAWN)
    made = paid(own, offer(own, state="dropped"))

    assert made.events() == []
    assert [(s.event, s.before == s.after) for s in made.steps] == [("invoice.paid", True)]


def test_paid_once_more_nothing_happens() -> None:
    own = has(SMALL, invoice_id=INVOICE, invoice_version=2)

    assert paid(own, offer(own, state="settled")).nothing


def test_old_news_of_a_payment_undoes_nothing_newer() -> None:
    own = has(SMALL, invoice_id=INVOICE, invoice_version=2)
    settled = of(offer(own, state="settled"))
    back = event(InvoicePaymentReversed, own, version=3)
    again = event(InvoicePaid, own, version=4, settlement=2)

    overdue = told(outcomes.payment_reversed, back, own, found=settled).subscriptions[own.id]
    assert told(outcomes.invoice_paid, event(InvoicePaid, own), overdue, found=settled).nothing

    resumed = told(outcomes.invoice_paid, again, overdue, found=settled).subscriptions[own.id]
    early = told(outcomes.invoice_paid, again, own, found=settled).subscriptions[own.id]
    for paid_again in (resumed, early):
        assert paid_again.state is State.ACTIVE
        assert told(outcomes.payment_reversed, back, paid_again, found=settled).nothing


def test_a_line_without_its_vat_is_worth_nothing() -> None:
    own = has(SMALL, State.PENDING)
    made = paid(own, offer(own), event=event(InvoicePaid, own, line(own, vat_percent=None)))

    assert [row.worth for row in made.saved_periods.values()] == [()]


def test_a_period_that_began_by_itself_is_billed_when_its_invoice_is_paid() -> None:
    own = has(SMALL, invoice_id=None)
    row = paid_period(own, 0, outcome="requested", request_id=REQUEST, worth=())
    found = Found(periods={(REQUEST, own.id): row})
    made = told(outcomes.invoice_paid, event(InvoicePaid, own), own, found=found)

    (billed,) = made.saved_periods.values()
    assert (billed.outcome, billed.invoice_id) == ("billed", INVOICE)
    assert [p.minor for p in billed.worth] == [3000]
    assert made.subscriptions[own.id] == replace(own, invoice_id=INVOICE, invoice_version=2)


# -- reversed --------------------------------------------------------------------------------------


def test_a_payment_that_went_back_makes_past_due_and_the_next_one_resumes_with_the_same_dates() -> (
    None
):
    own = has(SMALL, invoice_id=INVOICE)
    settled = of(offer(own, state="settled"))
    back = event(InvoicePaymentReversed, own)
    made = told(outcomes.payment_reversed, back, own, found=settled)
    overdue = made.subscriptions[own.id]
    (message,) = made.events()

    assert overdue == replace(own, version=2, state=State.PAST_DUE, invoice_version=2)
    assert message.due_date == date(2026, 4, 20)  # type: ignore[attr-defined]
    again = event(InvoicePaid, own, version=3, settlement=2)
    resumed = told(outcomes.invoice_paid, again, overdue, found=settled)
    assert types(resumed) == ["resumed"]
    assert resumed.subscriptions[own.id] == replace(own, version=3, invoice_version=3)


def test_canceled_it_stays_canceled_but_is_not_paid() -> None:
    own = has(SMALL, State.CANCELING, invoice_id=INVOICE)
    settled = of(offer(own, state="settled"))
    made = told(outcomes.payment_reversed, event(InvoicePaymentReversed, own), own, found=settled)
    unpaid = made.subscriptions[own.id]

    assert (unpaid.state, unpaid.canceled_from) == (State.CANCELING, State.PAST_DUE)
    assert made.book.unused(unpaid, date(2026, 3, 15)) == []
    again = told(
        outcomes.invoice_paid,
        event(InvoicePaid, own, version=3, settlement=2),
        unpaid,
        found=settled,
    )
    assert again.subscriptions[own.id].canceled_from is State.ACTIVE


def test_a_payment_that_goes_back_before_anything_was_granted_changes_nothing() -> None:
    own = has(SMALL, State.PENDING)
    made = told(
        outcomes.payment_reversed,
        event(InvoicePaymentReversed, own),
        own,
        found=of(offer(own)),
    )

    assert made.nothing


def test_a_payment_for_an_earlier_term_that_goes_back_is_only_noted() -> None:
    own = has(LARGE, invoice_id=OTHER)
    made = told(
        outcomes.payment_reversed,
        event(InvoicePaymentReversed, own),
        own,
        found=of(offer(own, state="settled")),
    )

    assert (made.events(), [s.event for s in made.steps]) == ([], ["invoice.payment_reversed"])


# -- voided, replaced, rejected, credited ----------------------------------------------------------


@pytest.mark.parametrize("state", [State.PENDING, State.TRIALING, State.ACTIVE, State.EXPIRED])
def test_voided_the_booking_is_dropped_and_everything_is_as_before(state: State) -> None:
    own = has(SMALL, state)
    made = told(outcomes.invoice_voided, event(InvoiceVoided, own), own, found=of(offer(own)))
    left = State.WITHDRAWN if state is State.PENDING else state

    assert types(made) == ["booking_dropped"]
    assert made.subscriptions[own.id] == replace(own, state=left, version=2)


def test_rejected_it_is_dropped_with_the_reason_that_billing_gave() -> None:
    own = has(SMALL)
    rejected = InvoiceRejected(
        customer_id=own.customer_id,
        request_id=REQUEST,
        subscription_ids=(own.id,),
        reason="amount_changed",
        detail="it costs more",
    )
    waiting = offer(own, is_change=True, product_id=LARGE.id)
    made = told(outcomes.invoice_rejected, rejected, own, found=of(waiting))

    assert types(made) == ["change_dropped"]
    assert made.events()[0].reason == "amount_changed"  # type: ignore[attr-defined]


def test_what_the_replacing_invoice_has_goes_on_waiting_and_what_it_has_not_is_dropped() -> None:
    kept, gone = has(CHAT, State.PENDING), has(ARCHIVE, State.PENDING)
    void = event(InvoiceVoided, kept, line(kept), line(gone), replaced_by=OTHER)

    # The new invoice was told of first: what is on it follows it already.
    follows = of(offer(kept, invoice_id=OTHER), offer(gone))
    made = told(outcomes.invoice_voided, void, kept, gone, found=follows)
    assert list(made.offers) == [kept.id]
    assert types(made) == ["booking_dropped"]

    # It was not: both wait for it, and when it comes without one of the lines, that is dropped.
    made = told(outcomes.invoice_voided, void, kept, gone, found=of(offer(kept), offer(gone)))
    assert types(made) == []
    assert {o.invoice_id for o in made.offers.values()} == {OTHER}
    outcomes.drop_missing(made, [made.offers[gone.id]])
    assert list(made.offers) == [kept.id]


@pytest.mark.parametrize("fully", [True, False])
def test_credited_before_it_is_active_the_booking_is_dropped_if_nothing_is_left(
    fully: bool,
) -> None:
    own = has(SMALL, State.PENDING)
    given = event(InvoiceCredited, own, fully=fully)
    made = told(outcomes.invoice_credited, given, own, found=of(offer(own)))

    assert types(made) == (["booking_dropped"] if fully else [])


def test_credited_after_it_is_active_access_stays_and_is_worth_less() -> None:
    own = has(SMALL, invoice_id=INVOICE)
    rows = [paid_period(own, 3100)]
    given = event(InvoiceCredited, own, line(own, 1000), fully=True)
    settled = of(offer(own, state="settled"))
    made = told(outcomes.invoice_credited, given, own, found=settled, periods=rows)

    (row,) = made.saved_periods.values()
    assert [p.left for p in row.worth] == [2100]
    assert (made.events(), made.subscriptions[own.id]) == ([], own)


def test_a_credit_that_was_asked_for_here_is_not_taken_off_twice() -> None:
    own = has(SMALL, invoice_id=INVOICE)
    given = event(InvoiceCredited, own, line(own, 1000), request_id=UUID(int=5))
    settled = of(offer(own, state="settled"))
    made = told(
        outcomes.invoice_credited, given, own, found=settled, periods=[paid_period(own, 3100)]
    )

    assert made.nothing
