"""What the console decides by itself: how far a booking is, words, and where a link may lead."""

from typing import Any

import pytest

from services.console import words
from services.console.editing import blank_draft, draft_of, refused_draft
from services.console.gateways import Refused
from services.console.progress import Step, progress_of
from services.console.sessions import csrf_of, local_path, same

INVOICE: dict[str, Any] = {
    "id": "i",
    "state": "open",
    "open_amount": {"amount": "52.95", "currency": "CHF"},
    "lines": [{"subscription_id": "s"}, {"subscription_id": None}],
}
SENT = {"invoice_id": "i", "state": "sent", "last_error": None}
DUE = {"invoice_id": "i", "state": "due", "last_error": "451 later"}
PARKED = {"invoice_id": "i", "state": "parked", "last_error": "550 nobody there"}
OTHER = {"invoice_id": "other", "state": "sent", "last_error": None}
PENDING, ACTIVE = {"id": "s", "state": "pending"}, {"id": "s", "state": "active"}
WITHDRAWN = {"id": "s", "state": "withdrawn"}
PARTLY_PAID = {**INVOICE, "open_amount": {"amount": "42.95", "currency": "CHF"}}
PAID = {**INVOICE, "state": "paid"}


@pytest.mark.parametrize(
    ("invoice", "mails", "subscriptions", "states", "outcome", "goes_on"),
    [
        (None, [], [PENDING], "done now later later later", "waiting", True),
        (INVOICE, [], [PENDING], "done done now later later", "waiting", True),
        (INVOICE, [OTHER, DUE], [PENDING], "done done now later later", "waiting", True),
        (INVOICE, [SENT], [PENDING], "done done done now later", "waiting", True),
        (INVOICE, [PARKED], [PENDING], "done done failed now later", "waiting", True),
        (PAID, [SENT], [PENDING], "done done done done now", "paid", True),
        (PAID, [SENT], [], "done done done done now", "paid", True),
        (PAID, [DUE], [ACTIVE], "done done now done done", "active", True),
        (PAID, [SENT], [ACTIVE], "done done done done done", "active", False),
        (PAID, [SENT], [WITHDRAWN], "done done done done", "paid", False),
        (INVOICE, [SENT], [ACTIVE], "done done done now", "dropped", True),
        ({**INVOICE, "state": "void"}, [SENT], [], "done done failed", "void", False),
        ({**PAID, "lines": []}, [SENT], [], "done done done done", "paid", False),
    ],
)
def test_each_step_is_read_off_what_services_say(
    invoice: Any, mails: Any, subscriptions: Any, states: str, outcome: str, goes_on: bool
) -> None:
    found = progress_of(invoice, mails, subscriptions, waiting=subscriptions == [PENDING])

    assert [step.state for step in found.steps] == states.split()
    assert found.outcome == outcome
    assert (found.look_again_ms is not None) == goes_on


def test_a_change_is_there_when_it_is_in_force_and_not_when_it_is_paid() -> None:
    paid = progress_of(PAID, [SENT], [ACTIVE], waiting=True)

    assert paid.steps[-1] == Step("Active", "now")
    assert paid.look_again_ms


def test_a_request_that_nobody_waits_for_any_more_was_refused() -> None:
    found = progress_of(None, [], [], waiting=False)

    assert found.outcome == "dropped"
    assert found.look_again_ms is None


def test_the_words_of_the_mail_server_are_passed_on() -> None:
    assert progress_of(INVOICE, [PARKED], [PENDING]).trouble == "550 nobody there"


def test_what_was_seen_changes_with_each_step() -> None:
    moves = [
        progress_of(None, [], []),
        progress_of(INVOICE, [], [PENDING]),
        progress_of(INVOICE, [SENT], [PENDING]),
        progress_of(PARTLY_PAID, [SENT], [PENDING]),
        progress_of(PAID, [SENT], [PENDING]),
        progress_of(PAID, [SENT], [ACTIVE], waiting=False),
    ]

    assert len({move.seen for move in moves}) == len(moves)


def test_where_only_payment_is_missing_the_invoice_alone_is_looked_at() -> None:
    assert progress_of(INVOICE, [SENT], [PENDING]).only_payment_is_missing
    assert progress_of(INVOICE, [PARKED], [PENDING]).only_payment_is_missing
    for other in (progress_of(None, [], []), progress_of(INVOICE, [DUE], [PENDING])):
        assert not other.only_payment_is_missing
    assert not progress_of(PAID, [SENT], [ACTIVE]).only_payment_is_missing


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/customers?search=a&b=%2F", "/customers?search=a&b=%2F"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\tevil", "/"),
        ("javascript:alert(1)", "/"),
        ("customers", "/"),
        ("", "/"),
    ],
)
def test_a_link_never_leads_to_another_site(target: str, leads_to: str) -> None:
    assert local_path(target) == leads_to


def test_the_proof_of_a_form_belongs_to_one_session_and_does_not_give_it_away() -> None:
    assert csrf_of("a") != csrf_of("b")
    assert same(csrf_of("a"), csrf_of("a"))
    assert not same("ä", csrf_of("a"))
    assert "secret" not in csrf_of("secret")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"amount": "1234.50", "currency": "CHF"}, "CHF 1,234.50"),
        ({"amount": "-0.02", "currency": "CHF"}, "CHF -0.02"),
        ({"amount": "1200", "currency": "JPY"}, "JPY 1,200"),
        ({"amount": "0.125", "currency": "KWD"}, "KWD 0.125"),
        (None, ""),
    ],
)
def test_money_is_shown_to_the_last_digit(given: Any, shown: str) -> None:
    assert words.money(given) == shown


def test_a_period_is_shown_with_its_last_day() -> None:
    assert words.last_day("2026-12-01") == "30 Nov 2026"
    assert words.last_day("2024-03-01") == "29 Feb 2024"


@pytest.mark.parametrize(
    ("text", "least", "shown"),
    [("1.000000", 0, "1"), ("49.0000", 2, "49.00"), ("0.1250", 2, "0.125"), ("8.1000", 0, "8.1")],
)
def test_numbers_lose_what_says_nothing(text: str, least: int, shown: str) -> None:
    assert words.number(text, least) == shown


def test_partly_paid_follows_from_amounts_and_overdue_is_what_billing_says() -> None:
    def word(paid: str, *, overdue: bool) -> str:
        invoice = {**INVOICE, "paid": {"amount": paid}, "overdue": overdue}
        return words.invoice_pill(invoice).word

    assert word("0.00", overdue=False) == "Open"
    assert word("1.00", overdue=False) == "Partly paid"
    assert word("0.00", overdue=True) == "Overdue"
    assert word("1.00", overdue=True) == "Overdue, partly paid"


def test_an_action_that_is_not_known_here_has_words_all_the_same() -> None:
    assert words.action_label({"action": "fly_away", "cycle": None}, {}) == "Fly away"


FIELDS = ("name", "city")


def test_only_what_was_changed_is_sent() -> None:
    opened = draft_of({"name": "A", "city": "Thun", "version": 3}, FIELDS)
    mine = blank_draft({"name": "B", "city": "Thun"})

    assert opened.changed == {}
    assert type(opened)(mine.typed, opened.was, "3").changed == {"name": "B"}


def test_who_was_slower_keeps_the_own_words_and_gets_those_of_the_other() -> None:
    was = {"name": "A", "city": "Thun"}
    mine = type(blank_draft(was))({"name": "mine", "city": "Thun"}, was, "3")
    theirs = {"name": "theirs", "city": "Bern", "version": 4}

    shown = refused_draft(mine, Refused(412, {"current": theirs}))

    assert shown.typed == {"name": "mine", "city": "Bern"}
    assert shown.theirs == {"name": "theirs", "city": "Bern"}
    assert shown.version == "4"
    assert shown.changed == {"name": "mine"}


def test_of_what_changed_a_person_is_told_what_is_no_id() -> None:
    made_up = "01a208c7-bb77-7535-91d9-cdd35c9ed967"
    entry = {
        "before": {"state": "open", "version": 1, "paid": "0.00", "same": "x"},
        "after": {"state": "paid", "version": 2, "paid": "9.75", "same": "x", "payment": made_up},
    }

    assert words.changes(entry) == [("state", "open", "paid"), ("paid", "0.00", "9.75")]
    assert words.changes({"before": None, "after": {"due_date": "2026-12-03"}}) == [
        ("due date", None, "2026-12-03")
    ]
