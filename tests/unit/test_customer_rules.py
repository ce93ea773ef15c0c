"""The pure rules of customers and users."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.customers.domain import customer, user
from services.customers.domain.customer import LIFECYCLE, Customer, Verb, checked, erase, take
from services.customers.domain.imports import (
    CustomerRow,
    UserRow,
    decide_customers,
    decide_users,
)
from services.customers.domain.numbers import checked_phone, checked_vat_id
from services.customers.domain.user import User, email_key, take_seats
from services.customers.use_cases.lifecycle import EVENTS
from shared.errors import Conflict, InputInvalid
from shared.events import topics
from shared.events.customers import CUSTOMERS, STATES, CustomerState

NOW = datetime(2031, 3, 15, 12, tzinfo=UTC)
VERA = Customer(
    UUID(int=1), 4, "K-10001", "Musterhotel AG", "Vera Beispiel", (), "3600", "Thun", "CH",
    "Europe/Zurich", "de", "CHF", "vera@musterhotel.example",
)  # fmt: skip
ZOE = User(UUID(int=7), VERA.id, 2, "", "Zoë", "Modèle", "zoe@musterhotel.example", "desk")


@pytest.mark.parametrize(
    ("phone", "country", "kept"),
    [
        ("033 555 01 23", "CH", "+41335550123"),
        ("+41 (0)33 555 01 23", "DE", "+41335550123"),
        ("0049 30 5550123", "CH", "+49305550123"),
        ("", "CH", ""),
    ],
)
def test_a_telephone_number_is_kept_as_e164(phone: str, country: str, kept: str) -> None:
    assert checked_phone(phone, country) == kept
    assert checked_phone(kept, country) == kept


@pytest.mark.parametrize("phone", ["phone!", "123", "+4133", "+999 1234567", "033 555 01 23 x 5"])
def test_what_nobody_can_dial_is_refused(phone: str) -> None:
    with pytest.raises(InputInvalid, match="phone: must be a telephone number"):
        checked_phone(phone, "CH")


@pytest.mark.parametrize(
    ("vat_id", "country"),
    [
        ("DE123456788", "DE"),
        ("123456788", "DE"),
        ("de 123 456 788", "DE"),
        ("DE123456788", "CH"),  # registered abroad
        ("CHE-116.281.710 MWST", "CH"),
        ("GB980780684", "GB"),
        ("NO995525828MVA", "NO"),
        ("EL094259216", "GR"),
        ("12-3456/7.A", "US"),
        ("", "DE"),
    ],
)
def test_what_is_a_vat_id_is_taken(vat_id: str, country: str) -> None:
    checked_vat_id(vat_id, country)


@pytest.mark.parametrize(
    ("vat_id", "country"),
    [
        ("DE123456789", "DE"),  # check digit
        ("DE123456789", "US"),
        ("DE12", "DE"),
        ("CHE-987.654.325 MWST", "CH"),
        ("x", "US"),
        ("=1+1", "US"),
        ("1" * 31, "US"),
    ],
)
def test_what_is_no_vat_id_is_refused(vat_id: str, country: str) -> None:
    with pytest.raises(InputInvalid, match="vat_id"):
        checked_vat_id(vat_id, country)


@pytest.mark.parametrize("names", [("", ""), (" ", "\t")])
def test_somebody_must_be_named(names: tuple[str, str]) -> None:
    with pytest.raises(InputInvalid, match="company_name"):
        checked(replace(VERA, company_name=names[0], contact_name=names[1]))


def test_another_country_makes_a_vat_id_wrong() -> None:
    american = replace(VERA, country="US", vat_id="123456789")
    with pytest.raises(InputInvalid, match="vat_id"):
        customer.edit(american, {"country": "DE"})


def test_an_edit_that_ends_where_it_began_is_none() -> None:
    dialled = replace(VERA, phone="+41335550123")
    assert customer.edit(dialled, {"phone": "033 555 01 23"}) is dialled


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_taken_twice_changes_once(verb: Verb) -> None:
    field, value = LIFECYCLE[verb]
    before = take(VERA, next(v for v, (f, x) in LIFECYCLE.items() if f == field and x != value))
    once = take(before, verb)

    assert getattr(once, field) == value
    assert once.version == before.version + 1
    assert take(once, verb) is once


def test_every_verb_publishes_an_event_of_its_own() -> None:
    assert set(EVENTS) == set(Verb) == set(LIFECYCLE)
    assert len(set(EVENTS.values())) == len(Verb)


def test_every_event_with_the_whole_customer_is_taken_by_copies() -> None:
    whole = {kind for kind in topics()[CUSTOMERS].values() if issubclass(kind, CustomerState)}
    assert set(STATES) == whole


def test_what_stays_of_an_erased_customer_is_not_personal() -> None:
    gone = erase(take(VERA, Verb.DEACTIVATE), subscribed=False, open_amounts=[], now=NOW)
    assert (gone.id, gone.number, gone.version, gone.erased_at) == (VERA.id, "K-10001", 6, NOW)


@pytest.mark.parametrize(
    ("status", "subscribed", "owed", "code"),
    [
        ("active", False, [], "customer_active"),
        ("deactivated", True, [], "customer_subscribed"),
        ("deactivated", False, ["INV-2031-0001 (CHF 52.95)"], "customer_owes"),
    ],
)
def test_who_is_still_concerned_is_not_erased(
    status: str, subscribed: bool, owed: list[str], code: str
) -> None:
    with pytest.raises(Conflict) as refusal:
        erase(replace(VERA, status=status), subscribed=subscribed, open_amounts=owed, now=NOW)
    assert refusal.value.code == code


def test_addresses_that_differ_by_case_are_one() -> None:
    assert email_key("Jörg@Muster.EXAMPLE") == email_key("jo\u0308rg@muster.example")
    assert email_key("a@b.example") != email_key("a@c.example")


@pytest.mark.parametrize(
    ("wanted", "taken", "limit", "possible"),
    [(1, 4, 5, True), (1, 5, 5, False), (2, 4, 5, False), (1, 500, 0, True), (0, 9, 5, True)],
)
def test_seats_are_as_many_as_the_plan_has(
    wanted: int, taken: int, limit: int, possible: bool
) -> None:
    try:
        take_seats(wanted, taken=taken, max_users=limit)
    except Conflict as refusal:
        assert refusal.code == "seat_limit_reached"  # noqa: PT017 - both outcomes are expected
        assert not possible
    else:
        assert possible


# -- imports -------------------------------------------------------------------------------------


def refuse(*_: object) -> Customer:
    raise InputInvalid("country", "must be there")


def test_rows_with_a_number_are_edits_and_the_others_new() -> None:
    outcome = decide_customers(
        [
            CustomerRow(2, "K-10001", {"city": "Bern"}, "active"),
            CustomerRow(3, "", {"city": "Basel"}),
            CustomerRow(4, "K-10002", {}),
        ],
        {"K-10001": VERA, "K-10002": replace(VERA, id=UUID(int=2), number="K-10002")},
        lambda values: replace(VERA, **values),
    )

    assert [c.city for c in outcome.updated] == ["Bern"]
    assert [c.city for c in outcome.created] == ["Basel"]
    assert (outcome.unchanged, outcome.bad) == (1, [])


def test_every_bad_row_is_told_with_its_line() -> None:
    outcome = decide_customers(
        [
            CustomerRow(2, "K-9", {}),
            CustomerRow(3, "K-10001", {}, "deactivated"),
            CustomerRow(4, "K-10001", {}),
            CustomerRow(5, "", {}),
            CustomerRow(6, "", {}, frozen=True),
        ],
        {"K-10001": VERA},
        refuse,
    )

    found = [(bad.line, bad.field) for bad in outcome.bad]
    assert found == [(2, "number"), (3, "status"), (4, "number"), (5, "country"), (6, "frozen")]


def test_users_are_checked_against_seats_addresses_and_what_may_be_edited() -> None:
    def make(customer_id: UUID, row: UserRow) -> User:
        return User(UUID(int=100 + row.line), customer_id, 1, role="", **row.values)

    def new(line: int, email: str, number: str = "K-10001") -> UserRow:
        names = {"salutation": "", "first_name": "A", "surname": "B", "email": email}
        return UserRow(line, None, number, names)

    outcome = user_outcome = decide_users(
        [
            new(2, "one@a.example"),
            new(3, "ONE@a.example"),
            new(4, "ZOE@musterhotel.example"),
            new(5, "two@a.example"),
            new(6, "three@a.example", "K-7"),
            UserRow(7, ZOE.id, "K-10001", {"surname": "Muster"}, "boss"),
            UserRow(8, UUID(int=8), "", {}),
        ],
        customers={"K-10001": VERA.id},
        known={ZOE.id: ZOE},
        holders={email_key(ZOE.email): ZOE.id},
        seats={VERA.id: 1},
        make=make,
    )

    assert [u.email for u in outcome.created] == ["one@a.example"]
    assert [(bad.line, bad.field) for bad in user_outcome.bad] == [
        (3, "email"),
        (4, "email"),
        (5, "customer_number"),
        (6, "customer_number"),
        (7, "role"),
        (8, "id"),
    ]


def test_an_operator_may_edit_four_fields_of_a_user() -> None:
    assert user.EDITABLE == ("salutation", "first_name", "surname", "email")
