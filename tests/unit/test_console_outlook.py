"""What dialogs say before anything happens."""

from typing import Any, get_args

import pytest

from services.console import outlook, words
from services.console.done import DONE
from services.console.outlook import Step, outlook_of
from services.subscriptions.domain.matrix import ActionName
from services.subscriptions.domain.subscription import TRANSITIONS
from services.subscriptions.use_cases.actions import _MAILS

ACTIONS = get_args(ActionName)
CARD = {"name": "Team", "trial_days": 30}
CUSTOMER = {
    "number": "K-10042",
    "company_name": "Musterhotel AG",
    "email": "vera@musterhotel.example",
    "billing_email": "",
}


def step(action: str, cycle: str = "", **offered: Any) -> Step:
    return Step(action, cycle, CARD, offered)


def preview(*events: str, **different: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"forfeited": None, "mails": [], "modules_that_stay": []}
    return {**empty, "events": list(events), **different}


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_words_everywhere(action: str) -> None:
    found = outlook_of([step(action, "monthly")], None, CUSTOMER)

    assert "Team" in found.title
    assert "{" not in f"{found.title}{found.button}"
    assert action in words._ACTIONS
    assert action in DONE


# What only billing or time brings about is never in a dry run.
ELSEWHERE = {"past_due", "resumed", "suspended", "renewed", "trial_ending"}


def test_every_event_that_an_action_can_cause_is_said_in_a_sentence() -> None:
    kinds = {kind for _, kind in TRANSITIONS.values()}
    told = {name.removeprefix("subscription.") for name in outlook._SENTENCES}

    # A booking is told by its invoice.
    assert {k.removeprefix("subscription.") for k in kinds} - ELSEWHERE - told <= {"booked"}
    assert set(_MAILS.values()) <= set(outlook._MAILS)


@pytest.mark.parametrize("event", outlook._SENTENCES)
def test_each_sentence_is_complete(event: str) -> None:
    one = outlook_of([step("withdraw")], preview(event), CUSTOMER)
    two = outlook_of([step("withdraw"), step("withdraw")], preview(event), CUSTOMER)

    for said in (one.sentences[0], two.sentences[0]):
        assert said.endswith(".")
        assert "{" not in said


def test_an_upgrade_says_that_what_runs_stays_until_it_is_paid() -> None:
    events = ("subscription.change_scheduled", "invoice.requested")
    mails = [{"kind": "invoice"}]
    found = outlook_of([step("upgrade", "yearly")], preview(*events, mails=mails), CUSTOMER)

    assert found.button == "Make invoice"
    assert found.sentences == (
        "An invoice is opened, numbered, and mailed to vera@musterhotel.example.",
        "When it is paid, Team starts that day, in place of what runs now.",
        "Until then nothing of it is granted, and what Musterhotel AG has now stays as it is.",
    )


def test_a_withdrawal_says_what_is_lost_and_what_stays() -> None:
    lost = {"amount": "31.35", "currency": "CHF"}
    told = preview(
        "subscription.withdrawn",
        forfeited=lost,
        modules_that_stay=["Analytics", "Archive"],
        mails=[{"kind": "ended"}],
    )
    found = outlook_of([step("withdraw")], told, CUSTOMER)

    assert found.is_hard
    assert found.losses == ("CHF 31.35 of unused time is deleted.",)
    assert found.sentences[1:] == (
        "Analytics and Archive stay booked.",
        "The customer is mailed that it has ended.",
    )


def test_a_cancellation_names_the_last_day() -> None:
    ends = step("cancel", effective_on="2026-12-23")
    found = outlook_of([ends], preview("subscription.cancellation_scheduled"), CUSTOMER)

    assert found.sentences[0].startswith("Team runs until 22 Dec 2026 and is not renewed.")


@pytest.mark.parametrize(
    ("different", "pill"),
    [
        ({"state": "pending"}, "Waiting for payment"),
        ({"state": "trialing", "access_until": "2026-12-23"}, "Test until 22 Dec 2026"),
        ({"state": "active", "origin": "invoice"}, "Active"),
        ({"state": "active", "origin": "free"}, "Free"),
        ({"state": "active", "origin": "gift"}, "Gift"),
        ({"state": "canceling", "access_until": "2026-12-23"}, "Canceled, ends 22 Dec 2026"),
        ({"state": "past_due"}, "Payment overdue"),
        ({"state": "suspended"}, "Suspended"),
        ({"state": "expired"}, "Expired"),
        ({"state": "expired", "waiting": {"name": "Team"}}, "Waiting for payment"),
        ({"state": "active", "waiting": {"name": "Team"}}, "Active"),
        ({"included_in_plan": True}, "Included in plan"),
        ({"scheduled": {"effective_on": "2026-12-23"}}, "From 23 Dec 2026"),
        ({"state": "active", "scheduled": {"effective_on": "2026-12-23"}}, "Active"),
    ],
)
def test_a_card_says_its_state_in_a_word(different: Any, pill: str) -> None:
    none = {"state": None, "origin": None, "access_until": None, "waiting": None, "scheduled": None}
    found = words.card_pill({**none, "included_in_plan": False, **different})

    assert found
    assert found.word == pill
