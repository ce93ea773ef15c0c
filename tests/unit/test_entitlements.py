"""What a customer may use, for every state."""

from dataclasses import replace
from datetime import date
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.domain.entitlements import Entitlements, entitlements
from services.subscriptions.domain.subscription import State, Subscription
from shared.periods import Period

CUSTOMER = UUID(int=100)
PERIOD = Period(date(2026, 1, 31), date(2026, 2, 28))
ARCHIVE = Offering("module", UUID(int=12), "Archive", features={"archive_years": "10"})
CHAT = Offering("module", UUID(int=11), "Chat", features={"chat": True})
BARE = Offering("plan", UUID(int=1), "Bare")
TEAM = Offering(
    "plan",
    UUID(int=2),
    "Team",
    max_users=20,
    included_modules=(ARCHIVE.id,),
    features={"reports": "monthly", "api": True},
)
CATALOGUE = Catalogue({o.id: o for o in (ARCHIVE, CHAT, BARE, TEAM)})
NOTHING = Entitlements(None, (), {}, 0, None, None)

GRANTING = {State.TRIALING, State.ACTIVE, State.PAST_DUE, State.CANCELING}
ENDING = {State.TRIALING, State.CANCELING}


def has(product: Offering, state: State = State.ACTIVE, **different: Any) -> Subscription:
    made = Subscription(
        UUID(int=int(product.id) + 500),
        CUSTOMER,
        product.kind,
        product.id,
        state,
        version=1,
        origin="invoice",
        period=PERIOD,
    )
    return replace(made, **different)


def entry(product: Offering, subscription: Offering | None = None) -> tuple[UUID, str, UUID]:
    return product.id, product.name, UUID(int=int((subscription or product).id) + 500)


def test_without_a_subscription_there_is_nothing() -> None:
    assert entitlements([], CATALOGUE) == NOTHING


@pytest.mark.parametrize("state", State)
def test_a_plan_grants_while_it_runs_and_through_grace(state: State) -> None:
    granted = entitlements([has(TEAM, state)], CATALOGUE)

    if state not in GRANTING:
        assert granted == NOTHING
        return
    assert granted == Entitlements(
        plan=entry(TEAM),
        modules=(entry(ARCHIVE, TEAM),),
        features={"api": True, "archive_years": "10", "reports": "monthly"},
        max_users=20,
        paid_until=PERIOD.end,
        access_until=PERIOD.end if state in ENDING else None,
    )


@pytest.mark.parametrize("state", State)
def test_a_module_grants_by_itself(state: State) -> None:
    granted = entitlements([has(CHAT, state)], CATALOGUE)

    expected = replace(NOTHING, modules=(entry(CHAT),), features={"chat": True})
    assert granted == (expected if state in GRANTING else NOTHING)


@pytest.mark.parametrize("origin", ["invoice", "trial", "free", "gift"])
def test_only_what_was_invoiced_is_paid_until_a_day(origin: Any) -> None:
    granted = entitlements([has(BARE, origin=origin)], CATALOGUE)

    assert granted.paid_until == (PERIOD.end if origin == "invoice" else None)


def test_what_has_no_end_names_none() -> None:
    granted = entitlements([has(BARE, State.CANCELING, period=None)], CATALOGUE)

    assert (granted.paid_until, granted.access_until) == (None, None)


def test_a_module_booked_beside_a_plan_that_includes_it_keeps_its_own_subscription() -> None:
    assert entitlements([has(TEAM), has(ARCHIVE)], CATALOGUE).modules == (entry(ARCHIVE),)


def test_modules_are_in_the_order_of_their_names() -> None:
    granted = entitlements([has(CHAT), has(TEAM)], CATALOGUE)

    assert granted.modules == (entry(ARCHIVE, TEAM), entry(CHAT))


def test_the_periods_of_modules_say_nothing_about_the_plan() -> None:
    later = has(CHAT, State.CANCELING, period=Period(date(2026, 1, 1), date(2027, 1, 1)))
    granted = entitlements([later, has(BARE)], CATALOGUE)

    assert (granted.paid_until, granted.access_until) == (PERIOD.end, None)


def test_the_order_of_subscriptions_does_not_matter() -> None:
    mine = [has(TEAM), has(CHAT), has(ARCHIVE, State.PENDING)]
    answers = [entitlements(order, CATALOGUE) for order in permutations(mine)]

    assert all(answer == answers[0] for answer in answers)
    assert list(answers[0].features) == sorted(answers[0].features)


# -- who wins where two products speak of one feature ----------------------------------------------

BASIC = Offering("plan", UUID(int=3), "Basic", features={"reports": False, "seats": "5"})
REPORTS = Offering("module", UUID(int=13), "Reports", features={"reports": True})
DAILY = Offering("module", UUID(int=14), "Daily", features={"pace": "daily"})
HOURLY = Offering("module", UUID(int=15), "Hourly", features={"pace": "hourly"})
CLASHING = Catalogue({o.id: o for o in (BASIC, REPORTS, DAILY, HOURLY)})


def test_a_module_switches_on_what_the_plan_has_off() -> None:
    granted = entitlements([has(BASIC), has(REPORTS)], CLASHING)

    assert granted.features == {"reports": True, "seats": "5"}


def test_two_modules_with_different_values_give_the_same_in_any_order() -> None:
    mine = [has(DAILY), has(HOURLY)]

    assert entitlements(mine, CLASHING) == entitlements(mine[::-1], CLASHING)
