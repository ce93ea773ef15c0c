"""What each card offers: every row of the table of actions, written down here once more by hand."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.cards import Card, cards
from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.subscription import (
    LIVE,
    ScheduledChange,
    State,
    Subscription,
)
from tests.unit.books import (
    ARCHIVE,
    CATALOGUE,
    CHAT,
    CUSTOMER,
    FREE,
    LARGE,
    SETUP,
    SMALL,
    book,
    card,
    has,
    price,
)

NEW = ["activate_free", "start_trial", "make_invoice monthly", "make_invoice yearly"]
INVOICES = ["make_invoice monthly", "make_invoice yearly"]
MANAGED = ["edit_period", "cancel", "withdraw"]


def offered(made: Card) -> list[str]:
    return [f"{action.name} {action.cycle or ''}".strip() for action in made.actions]


def origin(name: str, **different: Any) -> dict[str, Any]:
    return {"origin": name, "cycle": None, "period": None, "invoice_id": None, **different}


ONCE: dict[str, Any] = {"cycle": "once", "period": None}
YEARLY: dict[str, Any] = {"cycle": "yearly"}

# -- own card ------------------------------------------------------------------------------------

OWN: list[Any] = [
    pytest.param(None, {}, NEW, id="none"),
    pytest.param(State.EXPIRED, {}, NEW, id="expired"),
    pytest.param(State.WITHDRAWN, {}, NEW, id="withdrawn"),
    pytest.param(State.PENDING, {}, ["withdraw"], id="pending"),
    pytest.param(State.TRIALING, {}, [*INVOICES, *MANAGED], id="trialing"),
    pytest.param(State.ACTIVE, {}, ["change_cycle yearly", *MANAGED], id="paid monthly"),
    pytest.param(
        State.ACTIVE, YEARLY, ["change_at_period_end monthly", *MANAGED], id="paid yearly"
    ),
    pytest.param(State.ACTIVE, origin("gift"), [*INVOICES, "edit_period", "withdraw"], id="gift"),
    pytest.param(State.ACTIVE, origin("free"), [*INVOICES, "edit_period", "withdraw"], id="free"),
    pytest.param(State.ACTIVE, ONCE, ["edit_period", "withdraw"], id="once"),
    pytest.param(State.PAST_DUE, {}, ["cancel", "withdraw"], id="past due"),
    pytest.param(State.SUSPENDED, {}, ["withdraw"], id="suspended"),
    pytest.param(
        State.CANCELING, {}, ["revoke_cancellation", "edit_period", "withdraw"], id="canceling"
    ),
]


@pytest.mark.parametrize("product", [SMALL, CHAT], ids=lambda p: p.kind)
@pytest.mark.parametrize(("state", "different", "actions"), OWN)
def test_an_own_card_offers_what_its_row_says(
    product: Offering, state: State | None, different: dict[str, Any], actions: list[str]
) -> None:
    mine = [has(product, state, **different)] if state else []

    assert offered(card(product, book(*mine))) == actions


def test_what_was_paid_once_and_is_owed_again_has_no_end_to_be_canceled_at() -> None:
    assert offered(card(CHAT, book(has(CHAT, State.PAST_DUE, **ONCE)))) == ["withdraw"]


def test_the_rows_of_own_cards_name_every_state() -> None:
    assert {row.values[0] for row in OWN} == {None, *State}


@pytest.mark.parametrize(("state", "different", "actions"), OWN)
def test_what_waits_beside_can_be_dropped(
    state: State | None, different: dict[str, Any], actions: list[str]
) -> None:
    if state in {None, State.WITHDRAWN, State.PENDING}:
        return  # nothing to wait beside, or the wait is all there is
    assert state
    own = has(SMALL, state, **different)
    waiting = Offer(UUID(int=9), own.id, own.customer_id, SMALL.id, "monthly", UUID(int=8))
    scheduled = replace(own, scheduled=ScheduledChange(FREE.id, None, date(2026, 4, 1)))

    assert offered(card(SMALL, book(own, offers=[waiting]))) == [*actions, "drop_change"]
    assert offered(card(SMALL, book(scheduled))) == [*actions, "drop_change"]


@pytest.mark.parametrize("product", [SMALL, CHAT], ids=lambda p: p.kind)
@pytest.mark.parametrize("state", State)
def test_a_card_shows_its_subscription_unless_that_is_history_only(
    product: Offering, state: State
) -> None:
    own = has(product, state)

    assert card(product, book(own)).own == (None if state is State.WITHDRAWN else own)


# -- the card of another plan --------------------------------------------------------------------

OTHER: list[Any] = [
    pytest.param(None, {}, NEW, None, id="none"),
    pytest.param(State.EXPIRED, {}, NEW, None, id="expired"),
    pytest.param(State.WITHDRAWN, {}, NEW, None, id="withdrawn"),
    pytest.param(State.TRIALING, {}, [*INVOICES, "activate_free"], None, id="trialing"),
    pytest.param(State.ACTIVE, origin("gift"), [*INVOICES, "activate_free"], None, id="gift"),
    pytest.param(State.ACTIVE, origin("free"), [*INVOICES, "activate_free"], None, id="free"),
    pytest.param(
        State.ACTIVE,
        {},
        ["upgrade monthly", "upgrade yearly", "activate_free"],
        None,
        id="paid",
    ),
    pytest.param(State.CANCELING, {}, ["upgrade monthly", "upgrade yearly"], None, id="canceling"),
    pytest.param(State.PENDING, {}, [], "Another plan waits for payment.", id="pending"),
    pytest.param(State.PAST_DUE, {}, [], "Another plan's payment is overdue.", id="past due"),
    pytest.param(State.SUSPENDED, {}, [], "Another plan is suspended.", id="suspended"),
]


@pytest.mark.parametrize(("state", "different", "actions", "reason"), OTHER)
def test_another_plans_card_offers_what_its_row_says(
    state: State | None, different: dict[str, Any], actions: list[str], reason: str | None
) -> None:
    mine = [has(SMALL, state, **different)] if state else []
    made = card(LARGE, book(*mine))

    assert (offered(made), made.reason, made.own) == (actions, reason, None)
    assert made.target == (mine[0] if state in LIVE else None)


def test_the_rows_of_other_plans_name_every_state() -> None:
    assert {row.values[0] for row in OTHER} == {None, *State}


# -- up or down ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cycle", ["monthly", "yearly"])
def test_a_cheaper_plan_is_a_downgrade_at_the_end_of_the_period(cycle: str) -> None:
    made = card(SMALL, book(has(LARGE, cycle=cycle)))

    assert offered(made) == [
        "change_at_period_end monthly",
        "change_at_period_end yearly",
        "activate_free",
    ]


def test_a_free_plan_is_a_downgrade_without_a_cycle() -> None:
    assert offered(card(FREE, book(has(SMALL)))) == ["change_at_period_end", "activate_free"]


def with_prices(*prices: Any) -> Catalogue:
    replaced = {(p.product_id, p.cycle) for p in prices}
    kept = [p for p in CATALOGUE.prices if (p.product_id, p.cycle) not in replaced]
    return Catalogue(CATALOGUE.offerings, (*kept, *prices))


def test_the_same_price_is_no_upgrade() -> None:
    catalogue = with_prices(price(LARGE, "monthly", "30"))
    made = card(LARGE, book(has(SMALL), catalogue=catalogue))

    assert offered(made)[:2] == ["upgrade yearly", "change_at_period_end monthly"]


def test_each_cycle_is_compared_by_itself() -> None:
    catalogue = with_prices(price(LARGE, "monthly", "29"))
    made = card(LARGE, book(has(SMALL), catalogue=catalogue))

    assert offered(made)[:2] == ["upgrade yearly", "change_at_period_end monthly"]


@pytest.mark.parametrize(
    ("amount", "action"), [("360.01", "upgrade yearly"), ("360", "change_at_period_end yearly")]
)
def test_without_a_price_at_that_cycle_the_year_counts(amount: str, action: str) -> None:
    catalogue = with_prices(price(SMALL, "yearly", None), price(LARGE, "yearly", amount))
    made = card(LARGE, book(has(SMALL), catalogue=catalogue))

    assert action in offered(made)


# -- modules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_module_is_booked_whatever_the_other_modules_are(state: State) -> None:
    made = card(CHAT, book(has(SETUP, state), has(ARCHIVE, state)))

    assert (offered(made), made.reason) == (NEW, None)


@pytest.mark.parametrize("state", State)
def test_a_module_of_the_plan_is_included_once_the_plan_has_begun(state: State) -> None:
    begun = state not in {State.PENDING, State.EXPIRED, State.WITHDRAWN}
    made = card(ARCHIVE, book(has(LARGE, state)))

    assert made.reason == ("Included in plan." if begun else None)
    assert offered(made) == ([] if begun else NEW)
    assert made.included is begun


def test_a_module_that_was_kept_beside_the_plan_can_still_be_ended() -> None:
    made = card(ARCHIVE, book(has(LARGE), has(ARCHIVE, **ONCE)))

    assert (offered(made), made.reason) == (["edit_period", "withdraw"], "Included in plan.")


def test_a_module_that_another_plan_includes_can_be_booked() -> None:
    assert offered(card(ARCHIVE, book(has(SMALL)))) == NEW


def changed(product: Offering, **different: Any) -> Catalogue:
    made = {**CATALOGUE.offerings, product.id: replace(product, **different)}
    return Catalogue(made, CATALOGUE.prices)


def test_a_module_that_can_not_be_booked_says_so_and_is_managed_by_who_has_it() -> None:
    closed = changed(CHAT, bookable=False)

    for mine, actions in (((), []), ((has(CHAT),), MANAGED)):
        made = card(CHAT, book(*mine, catalogue=closed))
        assert (offered(made), made.reason) == (actions, "This module can not be booked.")


# -- the customer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (None, []),
        (State.TRIALING, MANAGED),
        (State.ACTIVE, MANAGED),
        (State.CANCELING, ["edit_period", "withdraw"]),
    ],
)
def test_a_deactivated_customer_books_nothing_and_ends_what_there_is(
    state: State | None, actions: list[str]
) -> None:
    gone = replace(CUSTOMER, status="deactivated")
    made = card(CHAT, book(*([has(CHAT, state)] if state else []), customer=gone))

    assert (offered(made), made.reason) == (actions, "The customer is deactivated.")


@pytest.mark.parametrize(("users", "fits"), [(5, True), (6, False)])
def test_more_active_users_than_the_plan_allows_book_nothing_of_it(users: int, fits: bool) -> None:
    fresh = card(SMALL, book(active_users=users))
    running = card(SMALL, book(has(SMALL), active_users=users))
    limit = "6 active users exceed its limit of 5."

    assert (offered(fresh), fresh.reason) == ((NEW, None) if fits else ([], limit))
    assert offered(running) == (["change_cycle yearly", *MANAGED] if fits else MANAGED)
    assert offered(card(LARGE, book(active_users=users))) == NEW


# -- prices and trials ---------------------------------------------------------------------------


def test_each_price_in_the_customers_currency_is_an_invoice_of_its_own() -> None:
    euro = book(customer=replace(CUSTOMER, currency="EUR"))

    assert offered(card(SMALL, euro)) == ["activate_free", "start_trial", "make_invoice monthly"]
    assert card(SMALL, euro).actions[2].price == price(SMALL, "monthly", "28", "EUR")
    assert offered(card(SETUP, book())) == ["activate_free", "make_invoice once"]


@pytest.mark.parametrize("amount", [None, "0"], ids=["on request", "nothing"])
def test_no_invoice_is_offered_where_there_is_no_amount(amount: str | None) -> None:
    made = card(CHAT, book(catalogue=with_prices(price(CHAT, "monthly", amount))))

    assert offered(made) == ["activate_free", "start_trial", "make_invoice yearly"]


def test_a_trial_is_offered_once_ever_and_only_where_there_is_one() -> None:
    assert "start_trial" not in offered(card(SMALL, book(tried=frozenset({SMALL.id}))))
    assert "start_trial" in offered(card(LARGE, book(tried=frozenset({SMALL.id}))))
    assert "start_trial" not in offered(card(SETUP, book()))


# -- which cards, in which order -----------------------------------------------------------------


def test_there_is_one_card_per_product_of_a_kind_by_priority_then_name() -> None:
    assert [c.offering.name for c in cards("plan", book())] == ["Small", "Large", "Free"]
    assert [c.offering.name for c in cards("module", book())] == ["Archive", "Chat", "Setup"]


@pytest.mark.parametrize("gone", [{"archived": True}, {"country": "DE"}], ids=str)
@pytest.mark.parametrize("state", [None, *State])
def test_what_is_not_offered_is_shown_only_to_who_has_it(
    state: State | None, gone: dict[str, Any]
) -> None:
    mine: list[Subscription] = [has(CHAT, state)] if state else []
    of = book(*mine, catalogue=changed(CHAT, **gone))
    shown = {c.offering.id: c for c in cards("module", of)}

    assert (CHAT.id in shown) is (state in LIVE)
    if state is State.ACTIVE:
        made = shown[CHAT.id]
        why = "not offered any more" if "archived" in gone else "offered in DE only"
        assert (offered(made), made.reason) == (MANAGED, f"Chat is {why}.")


@pytest.mark.parametrize(
    ("of", "revocable"),
    [
        ({"catalogue": changed(CHAT, archived=True)}, True),
        ({"customer": replace(CUSTOMER, status="deactivated")}, False),
    ],
    ids=["archived", "deactivated"],
)
def test_what_is_canceled_goes_on_if_one_wants_unless_the_customer_is_gone(
    of: dict[str, Any], revocable: bool
) -> None:
    made = card(CHAT, book(has(CHAT, State.CANCELING), **of))
    assert ("revoke_cancellation" in {a.name for a in made.actions}) is revocable


def test_a_plan_of_the_customers_country_is_offered() -> None:
    assert offered(card(SMALL, book(catalogue=changed(SMALL, country="CH")))) == NEW


def test_an_action_is_found_by_name_and_cycle() -> None:
    made = card(SMALL, book())

    assert made.find("make_invoice", "yearly") is made.actions[3]
    assert made.find("activate_free", None) is made.actions[0]
    assert made.find("make_invoice", None) is None
    assert made.find("make_invoice", "once") is None
