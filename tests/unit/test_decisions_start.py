"""Free, trials, invoices, changes: what is decided, before anything is saved."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.book import Policy
from services.subscriptions.domain.decisions import Asked, take
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.subscription import ScheduledChange, State, Subscription
from shared.errors import Conflict, InputInvalid, NotFound
from shared.events.subscriptions import CreditRequested, InvoiceRequested, InvoiceRequestWithdrawn
from shared.money import Money
from shared.periods import Period
from tests.unit.books import (
    ARCHIVE,
    CHAT,
    FREE,
    LARGE,
    SETUP,
    SMALL,
    TODAY,
    book,
    draft,
    has,
    paid_period,
)


def types(made: Draft) -> list[str]:
    return [event.TYPE.removeprefix("subscription.") for event in made.events()]


def only(made: Draft, kind: type[Any]) -> Any:
    (found,) = (event for event in made.events() if isinstance(event, kind))
    return found


def chf(minor: int) -> Money:
    return Money(minor, "CHF")


def outcome(made: Draft, subscription: Subscription | None = None) -> Subscription:
    if subscription:
        return made.subscriptions[subscription.id]
    return made.steps[-1].after


# -- free ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("product", "origin"), [(SMALL, "gift"), (FREE, "free")])
@pytest.mark.parametrize("mine", [(), (State.EXPIRED,)], ids=["none", "expired"])
def test_free_is_active_at_once_without_end_or_price(
    product: Any, origin: str, mine: tuple[State, ...]
) -> None:
    own = [has(product, state, term=2) for state in mine]
    made = draft(book(*own), Asked(product.id, "activate_free"))
    after = outcome(made)

    assert types(made) == ["activated"]
    assert (after.state, after.origin, after.term) == (State.ACTIVE, origin, 3 if own else 1)
    assert (after.period, after.cycle, after.price_id, after.ends_on) == (None, None, None, None)
    assert after.id == own[0].id if own else after.version == 1


def test_a_gift_takes_the_place_of_what_is_paid_and_its_unused_value_goes_to_the_balance() -> None:
    own = has(SMALL)
    of = book(own, periods=[paid_period(own, 3100)])
    made = draft(of, Asked(LARGE.id, "activate_free"))
    credit = only(made, CreditRequested)

    assert types(made) == ["changed", "credit.requested"]
    assert (outcome(made).id, outcome(made).product_id) == (own.id, LARGE.id)
    assert outcome(made).origin == "gift"
    assert (credit.invoice_id, credit.subscription_id) == (own.invoice_id, own.id)
    # 17 of 31 days, from today on
    assert [(line.position, line.amount) for line in credit.lines] == [(1, chf(1700))]
    assert credit.lines[0].explanation == "CHF 31.00 x 17/31 days unused"
    assert made.credit == chf(1838)  # with the VAT that was charged


# -- trials --------------------------------------------------------------------------------------


def test_a_trial_runs_for_its_days_and_is_remembered_for_ever() -> None:
    made = draft(book(), Asked(SMALL.id, "start_trial"))
    after = outcome(made)

    assert types(made) == ["trial_started"]
    assert after.period == Period(TODAY, date(2026, 4, 14))
    assert after.ends_on == date(2026, 4, 14)
    # 00:00 in Zurich, three days before
    assert after.remind_at == datetime(2026, 4, 10, 22, tzinfo=UTC)
    assert made.trials == [(SMALL.id, after.id)]


def test_a_trial_shorter_than_its_reminder_has_none() -> None:
    of = book(policy=Policy(reminder_days=30))

    assert outcome(draft(of, Asked(SMALL.id, "start_trial"))).remind_at is None


def test_a_second_trial_of_the_product_is_refused() -> None:
    of = book(has(SMALL, State.EXPIRED), tried=frozenset({SMALL.id}))

    with pytest.raises(Conflict, match="Small: only activate_free"):
        draft(of, Asked(SMALL.id, "start_trial"))


# -- invoices ------------------------------------------------------------------------------------


def test_a_first_booking_waits_and_grants_nothing() -> None:
    made = draft(book(), Asked(SMALL.id, "make_invoice", "monthly"))
    after, request = outcome(made), only(made, InvoiceRequested)
    offer = made.offers[after.id]

    assert types(made) == ["booked", "invoice.requested"]
    assert (after.state, after.term, after.version) == (State.PENDING, 0, 1)
    assert (request.reason, request.expected_total) == ("booking", chf(3243))
    assert (offer.request_id, offer.is_change) == (request.request_id, False)
    assert (offer.lapses_on, offer.valid_until) == (date(2026, 3, 29), None)


@pytest.mark.parametrize(
    ("state", "origin"),
    [(State.TRIALING, "trial"), (State.ACTIVE, "gift"), (State.EXPIRED, None)],
)
def test_what_runs_or_is_over_keeps_its_state_while_its_offer_is_open(
    state: State, origin: Any
) -> None:
    own = has(SMALL, state, origin=origin, cycle=None)
    made = draft(book(own), Asked(SMALL.id, "make_invoice", "yearly"))

    assert types(made) == ["booked", "invoice.requested"]
    assert outcome(made) == replace(own, version=2)
    assert not made.offers[own.id].is_change


@pytest.mark.parametrize("origin", ["trial", "gift", "free"])
def test_another_plan_beside_what_costs_nothing_is_a_change_at_its_full_price(origin: Any) -> None:
    state = State.TRIALING if origin == "trial" else State.ACTIVE
    own = has(SMALL, state, origin=origin, cycle=None)
    made = draft(book(own), Asked(LARGE.id, "make_invoice", "monthly"))

    assert types(made) == ["change_scheduled", "invoice.requested"]
    assert outcome(made) == replace(own, version=2)
    assert (only(made, InvoiceRequested).reason, made.offers[own.id].is_change) == ("change", True)
    assert made.charges[0].amount == chf(9729)


def test_several_modules_are_one_request_and_each_waits_for_it() -> None:
    made = draft(
        book(),
        Asked(CHAT.id, "make_invoice", "monthly"),
        Asked(SETUP.id, "make_invoice", "once"),
    )
    request = only(made, InvoiceRequested)

    assert types(made) == ["booked", "booked", "invoice.requested"]
    assert request.expected_total == chf(65941)  # (10 + 600) x 1.081
    assert {offer.request_id for offer in made.offers.values()} == {request.request_id}
    assert [line.subscription_id for line in request.lines] == list(made.offers)


# -- upgrades ------------------------------------------------------------------------------------


def upgrade(own: Subscription, minor: int, **different: Any) -> Draft:
    of = book(own, periods=[paid_period(own, minor)], **different)
    return draft(of, Asked(LARGE.id, "upgrade", "monthly"))


def test_an_upgrade_leaves_the_plan_that_is_paid_and_credits_its_unused_days() -> None:
    own = has(SMALL)
    made = upgrade(own, 3000)
    request, offer = only(made, InvoiceRequested), made.offers[own.id]
    charged, credited = request.lines

    assert types(made) == ["change_scheduled", "invoice.requested"]
    assert outcome(made) == replace(own, version=2)
    assert (charged.unit_price, charged.vat_percent) == (90, None)
    assert str(credited.unit_price) == "-16.45"  # 30.00 x 17/31, rounded once
    assert str(credited.vat_percent) == "8.1"
    assert credited.explanation == "CHF 30.00 x 17/31 days unused"
    assert request.expected_total == chf(7951)  # (90.00 - 16.45) x 1.081
    assert (offer.is_change, offer.valid_until) == (True, date(2026, 4, 1))
    assert [taken.minor for taken in offer.used] == [1645]
    assert [line["explanation"] for line in offer.lines] == ["", credited.explanation]


def test_an_upgrade_lapses_at_the_latest_with_the_period_it_was_computed_for() -> None:
    offer = upgrade(has(SMALL), 3000).offers[has(SMALL).id]

    assert offer.lapses_on == date(2026, 3, 29)
    assert offer.lapsing(date(2026, 3, 16)).lapses_on == date(2026, 3, 30)
    assert offer.lapsing(date(2026, 4, 14)).lapses_on == date(2026, 4, 1)


def test_later_paid_periods_count_in_full() -> None:
    own = has(SMALL)
    later = paid_period(own, 3000, Period(date(2026, 4, 1), date(2026, 5, 1)))
    of = book(own, periods=[paid_period(own, 3100), later])
    made = draft(of, Asked(LARGE.id, "upgrade", "monthly"))

    assert [taken.minor for taken in made.offers[own.id].used] == [1700, 3000]


@pytest.mark.parametrize("outcome_", ["requested", "free", "skipped", "failed"])
def test_what_is_not_paid_is_worth_nothing(outcome_: Any) -> None:
    own = has(SMALL)
    of = book(own, periods=[paid_period(own, 3100, outcome=outcome_)])

    assert draft(of, Asked(LARGE.id, "upgrade", "monthly")).offers[own.id].used == ()


def test_what_was_worth_something_in_an_earlier_term_is_not_counted_again() -> None:
    own = has(SMALL, term=2)
    of = book(own, periods=[paid_period(own, 3100, term=1)])

    assert draft(of, Asked(LARGE.id, "upgrade", "monthly")).offers[own.id].used == ()


def test_a_change_that_comes_to_nothing_applies_at_once_and_the_rest_goes_to_the_balance() -> None:
    own = has(SMALL, cycle="yearly", period=Period(TODAY, date(2027, 3, 15)))
    made = upgrade(own, 30000)
    after, credit = outcome(made), only(made, CreditRequested)
    (row,) = made.saved_periods.values()

    assert types(made) == ["changed", "credit.requested"]
    assert made.requests == []
    assert (after.product_id, after.term) == (LARGE.id, 2)
    assert after.period == Period(TODAY, date(2026, 4, 15))
    assert after.invoice_id == own.invoice_id
    assert [line.amount for line in credit.lines] == [chf(21000)]
    assert "of which 210.00" in credit.lines[0].explanation
    # What paid for it goes with it, so that the next change can give it back.
    assert [(p.invoice_id, p.minor) for p in row.worth] == [(own.invoice_id, 9000)]
    assert (row.outcome, row.term) == ("billed", 2)


def test_value_of_another_currency_is_not_taken_off_but_returned_as_it_was_paid() -> None:
    own = has(SMALL)
    row = paid_period(own, 3100)
    euro = replace(row, worth=(replace(row.worth[0], currency="EUR"),))
    made = draft(book(own, periods=[euro]), Asked(LARGE.id, "upgrade", "monthly"))
    offer = made.offers[own.id]

    assert (offer.used, [taken.minor for taken in offer.rest]) == ((), [1700])


def test_from_monthly_to_yearly_is_an_invoice_less_what_is_unused() -> None:
    own = has(CHAT)
    of = book(own, periods=[paid_period(own, 1000)])
    made = draft(of, Asked(CHAT.id, "change_cycle", "yearly"))

    assert types(made) == ["change_scheduled", "invoice.requested"]
    assert made.charges[0].amount == chf(10218)  # (100.00 - 5.48) x 1.081


def test_a_plan_that_brings_a_booked_module_along_credits_it_on_its_invoice() -> None:
    module = has(ARCHIVE)
    of = book(module, periods=[paid_period(module, 900)])
    made = draft(of, Asked(LARGE.id, "make_invoice", "monthly"))
    request = only(made, InvoiceRequested)

    assert [str(line.unit_price) for line in request.lines] == ["90", "-4.94"]
    # Withdrawn together: both are lines of the plan's booking.
    assert len({line.subscription_id for line in request.lines}) == 1
    assert made.subscriptions[module.id] == module


def test_a_module_that_was_paid_once_is_not_credited() -> None:
    module = has(ARCHIVE, cycle="once", period=None)
    made = draft(book(module), Asked(LARGE.id, "make_invoice", "monthly"))

    assert len(only(made, InvoiceRequested).lines) == 1


@pytest.mark.parametrize("action", ["activate_free", "start_trial"])
def test_a_plan_that_starts_takes_in_its_modules(action: Any) -> None:
    module = has(ARCHIVE)
    of = book(module, periods=[paid_period(module, 3100)])
    made = draft(of, Asked(LARGE.id, action))

    assert made.subscriptions[module.id].state is State.EXPIRED
    assert types(made)[1:] == ["expired", "credit.requested"]
    assert made.events()[1].reason == "included_in_plan"  # type: ignore[attr-defined]
    assert only(made, CreditRequested).lines[0].amount == chf(1700)


def test_a_plan_that_starts_keeps_a_module_that_was_paid_once() -> None:
    module = has(ARCHIVE, cycle="once", period=None)
    made = draft(book(module), Asked(LARGE.id, "activate_free"))

    assert made.subscriptions[module.id] == module


def test_a_plan_that_starts_lets_go_of_the_invoice_of_a_module_it_brings_along() -> None:
    module = has(ARCHIVE, State.PENDING)
    made = draft(book(module, offers=[waits(module)]), Asked(LARGE.id, "activate_free"))

    assert made.subscriptions[module.id].state is State.WITHDRAWN
    assert only(made, InvoiceRequestWithdrawn).reason == "settled_otherwise"


# -- one thing waits at a time ---------------------------------------------------------------------


def waits(own: Subscription, **different: Any) -> Offer:
    fields: dict[str, Any] = {"is_change": own.state is State.ACTIVE, **different}
    return Offer(
        UUID(int=900), own.id, own.customer_id, own.product_id, "monthly", UUID(int=8), **fields
    )


def test_a_new_offer_withdraws_the_one_before() -> None:
    own = has(SMALL)
    of = book(own, periods=[paid_period(own, 3000)], offers=[waits(own)])
    made = draft(of, Asked(LARGE.id, "upgrade", "monthly"))
    withdrawn = only(made, InvoiceRequestWithdrawn)

    assert types(made)[:2] == ["change_dropped", "change_scheduled"]
    assert (withdrawn.request_id, withdrawn.reason) == (UUID(int=900), "replaced")
    assert withdrawn.subscription_ids == (own.id,)
    assert made.offers[own.id].request_id != UUID(int=900)
    assert made.saved_offers[UUID(int=900), own.id].state == "dropped"


def test_a_new_offer_takes_the_place_of_a_scheduled_change_and_the_other_way_round() -> None:
    scheduled = has(SMALL, scheduled=ScheduledChange(FREE.id, None, date(2026, 4, 1)))
    made = draft(book(scheduled), Asked(LARGE.id, "upgrade", "monthly"))
    assert types(made)[:2] == ["change_dropped", "change_scheduled"]
    assert outcome(made).scheduled is None

    own = has(LARGE)
    made = draft(book(own, offers=[waits(own)]), Asked(SMALL.id, "change_at_period_end", "monthly"))
    assert types(made) == ["change_dropped", "change_scheduled", "invoice.request_withdrawn"]
    assert made.offers == {}


def test_of_plans_that_are_over_only_one_waits_for_payment() -> None:
    over = has(SMALL, State.EXPIRED)
    of = book(over, offers=[waits(over)])

    for action, cycle in (("make_invoice", "monthly"), ("start_trial", None)):
        made = draft(of, Asked(LARGE.id, action, cycle))  # type: ignore[arg-type]
        assert over.id not in made.offers
        assert types(made)[0] == "booking_dropped"


# -- changes that wait for the end of the period ---------------------------------------------------


def test_a_downgrade_waits_for_the_end_of_the_last_period_that_is_paid() -> None:
    own = has(LARGE)
    later = paid_period(own, 9000, Period(date(2026, 4, 1), date(2026, 5, 1)))
    of = book(own, periods=[paid_period(own, 9000), later])
    made = draft(of, Asked(SMALL.id, "change_at_period_end", "yearly"))
    (event,) = made.events()

    expected = ScheduledChange(SMALL.id, "yearly", date(2026, 5, 1))
    assert outcome(made) == replace(own, version=2, scheduled=expected)
    assert event.effective_on == date(2026, 5, 1)  # type: ignore[attr-defined]


def test_a_downgrade_to_what_is_free_has_no_cycle() -> None:
    made = draft(book(has(SMALL)), Asked(FREE.id, "change_at_period_end"))
    (event,) = made.events()

    assert (event.free, event.cycle) == (True, "monthly")  # type: ignore[attr-defined]


# -- what is refused -------------------------------------------------------------------------------


def test_what_the_card_does_not_offer_is_refused_with_its_reason() -> None:
    with pytest.raises(Conflict, match=r"Archive: Included in plan\.") as refused:
        draft(book(has(LARGE)), Asked(ARCHIVE.id, "make_invoice", "monthly"))
    assert refused.value.code == "action_not_offered"


def test_a_product_named_twice_and_an_unknown_one_are_refused() -> None:
    twice = Asked(CHAT.id, "activate_free")
    with pytest.raises(InputInvalid, match="must name each module once"):
        draft(book(), twice, twice)

    with pytest.raises(NotFound):
        take(draft(book()), "plan", [Asked(UUID(int=77), "activate_free")])


@pytest.mark.parametrize(
    ("seller", "code"), [(None, "settings_missing"), ("no rates", "not_invoiceable")]
)
def test_without_settings_or_rates_there_is_no_invoice(seller: Any, code: str) -> None:
    of = book()
    rateless = of.seller.model_copy(update={"vat_rates": ()})
    with pytest.raises(Conflict) as refused:
        draft(
            replace(of, seller=rateless if seller else None),
            Asked(SMALL.id, "make_invoice", "monthly"),
        )
    assert refused.value.code == code
