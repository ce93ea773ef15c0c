"""What each card offers, for every state of the product and of the plan beside it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.cards import Card, cards
from services.subscriptions.domain.catalogue import Catalogue, Offering, Price
from services.subscriptions.domain.subscription import State, Subscription

CUSTOMER = UUID(int=100)
SMALL = Offering("plan", UUID(int=1), "Small", priority=20)
LARGE = Offering("plan", UUID(int=2), "Large", priority=10, included_modules=(UUID(int=12),))
CHAT = Offering("module", UUID(int=11), "Chat")
ARCHIVE = Offering("module", UUID(int=12), "Archive")
SETUP = Offering("module", UUID(int=13), "Setup")
OFFERINGS = (SMALL, LARGE, CHAT, ARCHIVE, SETUP)

FREE = ("activate_free", None)
MONTHLY = ("make_invoice", "monthly")
YEARLY = ("make_invoice", "yearly")
ONCE = ("make_invoice", "once")
BOOKABLE = [FREE, MONTHLY, YEARLY]


def price(product: Offering, cycle: Any, amount: str | None = "10", currency: str = "CHF") -> Price:
    number = int(product.id) * 10 + len(cycle) + (1000 if currency == "EUR" else 0)
    unit_price = None if amount is None else Decimal(amount)
    return Price(UUID(int=number), product.id, currency, cycle, unit_price, "net", "standard")


PRICES = (
    *(price(o, cycle) for o in (SMALL, LARGE, CHAT, ARCHIVE) for cycle in ("monthly", "yearly")),
    price(SETUP, "once"),
    price(SMALL, "monthly", "9", "EUR"),
)


def has(product: Offering, state: State, **different: Any) -> Subscription:
    made = Subscription(
        UUID(int=int(product.id) + 500), CUSTOMER, product.kind, product.id, state, version=1
    )
    return replace(made, **different)


def all_cards(
    kind: Any,
    *mine: Subscription,
    offerings: Sequence[Offering] = OFFERINGS,
    prices: Sequence[Price] = PRICES,
    currency: str = "CHF",
    can_book: bool = True,
) -> list[Card]:
    catalogue = Catalogue({o.id: o for o in offerings}, tuple(prices))
    return cards(kind, catalogue, list(mine), currency=currency, can_book=can_book)


def card(product: Offering, *mine: Subscription, **different: Any) -> Card:
    found = {c.offering.id: c for c in all_cards(product.kind, *mine, **different)}
    return found[product.id]


def offered(made: Card) -> list[tuple[str, str | None]]:
    return [(action.name, action.cycle) for action in made.actions]


# -- own card ------------------------------------------------------------------------------------

OWN = [
    (None, BOOKABLE, None),
    (State.EXPIRED, BOOKABLE, None),
    (State.WITHDRAWN, BOOKABLE, None),
    (State.PENDING, [], "Waiting for payment."),
    *(
        (state, [], f"{{name}} is {state} already.")
        for state in (
            State.TRIALING,
            State.ACTIVE,
            State.PAST_DUE,
            State.SUSPENDED,
            State.CANCELING,
        )
    ),
]


def test_the_matrix_of_own_cards_names_every_state() -> None:
    assert {state for state, _, _ in OWN} == {None, *State}


@pytest.mark.parametrize("product", [SMALL, CHAT], ids=lambda p: p.kind)
@pytest.mark.parametrize(("state", "actions", "reason"), OWN)
def test_a_product_offers_what_its_own_state_allows(
    product: Offering, state: State | None, actions: Any, reason: str | None
) -> None:
    made = card(product, *([has(product, state)] if state else []))

    assert offered(made) == actions
    assert made.reason == (reason.format(name=product.name) if reason else None)


@pytest.mark.parametrize("product", [SMALL, CHAT], ids=lambda p: p.kind)
@pytest.mark.parametrize("state", State)
def test_a_card_shows_its_subscription_unless_that_is_history_only(
    product: Offering, state: State
) -> None:
    own = has(product, state)

    assert card(product, own).subscription == (None if state is State.WITHDRAWN else own)


# -- a plan beside another plan ------------------------------------------------------------------

OTHER_PLAN = [
    (None, BOOKABLE, None),
    (State.EXPIRED, BOOKABLE, None),
    (State.WITHDRAWN, BOOKABLE, None),
    (State.PENDING, [], "Another plan waits for payment."),
    *(
        (state, [], "Another plan is active.")
        for state in (
            State.TRIALING,
            State.ACTIVE,
            State.PAST_DUE,
            State.SUSPENDED,
            State.CANCELING,
        )
    ),
]


@pytest.mark.parametrize(("state", "actions", "reason"), OTHER_PLAN)
def test_a_plan_offers_nothing_beside_another_live_one(
    state: State | None, actions: Any, reason: str | None
) -> None:
    made = card(LARGE, *([has(SMALL, state)] if state else []))

    assert (offered(made), made.reason, made.subscription) == (actions, reason, None)


# -- modules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_module_is_booked_whatever_the_other_modules_are(state: State) -> None:
    made = card(CHAT, has(SETUP, state), has(ARCHIVE, state))

    assert (offered(made), made.reason) == (BOOKABLE, None)


@pytest.mark.parametrize("state", State)
def test_a_module_of_the_plan_is_included_once_the_plan_has_begun(state: State) -> None:
    begun = state not in {State.PENDING, State.EXPIRED, State.WITHDRAWN}
    made = card(ARCHIVE, has(LARGE, state))

    assert made.reason == ("Included in plan." if begun else None)
    assert offered(made) == ([] if begun else BOOKABLE)


def test_a_module_that_another_plan_includes_can_be_booked() -> None:
    assert offered(card(ARCHIVE, has(SMALL, State.ACTIVE))) == BOOKABLE


def test_a_module_that_can_not_be_booked_says_so() -> None:
    closed = replace(CHAT, bookable=False)
    made = card(CHAT, offerings=(closed, SMALL))

    assert (offered(made), made.reason) == ([], "This module can not be booked.")


def test_a_booked_module_that_can_not_be_booked_any_more_keeps_its_own_reason() -> None:
    closed = replace(CHAT, bookable=False)
    made = card(CHAT, has(CHAT, State.ACTIVE), offerings=(closed,))

    assert made.reason == "Chat is active already."


# -- the customer --------------------------------------------------------------------------------


@pytest.mark.parametrize("product", [SMALL, CHAT], ids=lambda p: p.kind)
def test_a_deactivated_customer_books_nothing(product: Offering) -> None:
    made = card(product, can_book=False)

    assert (offered(made), made.reason) == ([], "The customer is deactivated.")


def test_the_first_reason_counts() -> None:
    made = card(ARCHIVE, has(LARGE, State.ACTIVE), has(ARCHIVE, State.ACTIVE), can_book=False)

    assert made.reason == "The customer is deactivated."


# -- prices --------------------------------------------------------------------------------------


def test_each_price_in_the_customers_currency_is_an_invoice_of_its_own() -> None:
    assert offered(card(SMALL, currency="EUR")) == [FREE, MONTHLY]
    assert card(SMALL, currency="EUR").actions[1].price == price(SMALL, "monthly", "9", "EUR")
    assert offered(card(SETUP)) == [FREE, ONCE]


@pytest.mark.parametrize("amount", [None, "0"], ids=["on request", "nothing"])
def test_no_invoice_is_offered_where_there_is_no_amount(amount: str | None) -> None:
    made = card(SMALL, prices=[price(SMALL, "monthly", amount), price(SMALL, "yearly")])

    assert offered(made) == [FREE, YEARLY]


def test_without_a_price_only_free_is_left() -> None:
    assert offered(card(LARGE, currency="JPY")) == [FREE]


# -- which cards, in which order -----------------------------------------------------------------


def test_there_is_one_card_per_product_of_a_kind_by_priority_then_name() -> None:
    names = [c.offering.name for c in all_cards("module")]

    assert [c.offering.name for c in all_cards("plan")] == ["Small", "Large"]
    assert names == ["Archive", "Chat", "Setup"]


@pytest.mark.parametrize("state", [None, *State])
def test_an_archived_product_is_shown_only_to_who_has_it(state: State | None) -> None:
    old = replace(CHAT, archived=True)
    mine = [has(CHAT, state)] if state else []
    shown = [c.offering.id for c in all_cards("module", *mine, offerings=(old, SETUP))]
    live = state not in {None, State.EXPIRED, State.WITHDRAWN}

    assert shown == ([CHAT.id, SETUP.id] if live else [SETUP.id])


def test_an_action_is_found_by_name_and_cycle() -> None:
    made = card(SMALL)

    assert made.find("make_invoice", "yearly") is made.actions[2]
    assert made.find("activate_free", None) is made.actions[0]
    assert made.find("make_invoice", None) is None
    assert made.find("make_invoice", "once") is None
