"""What the console decides about invoices: menus, dialogs, drafts and settings as forms."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from services.console import deeds, words
from services.console.deeds import Verb, deeds_of, question_of
from services.console.desk import Form
from services.console.done import DONE
from services.console.gateways import Refused
from services.console.sellers import BLANK_SELLER, read_seller, seller_sheet
from services.console.sellers import body_of as seller_body
from services.console.sellers import errors_of as seller_errors
from services.console.sheets import (
    Sheet,
    blank_sheet,
    body_of,
    errors_of,
    label_of,
    line_totals,
    read_sheet,
    rearranged,
    sheet_of,
)
from services.identity.domain.roles import ROLES

NOTHING = {"amount": "0.00", "currency": "CHF"}
SOME = {"amount": "10.00", "currency": "CHF"}
ALL = {"amount": "52.95", "currency": "CHF"}
LINE: dict[str, Any] = {
    "position": 1,
    "title": "Team",
    "description": "",
    "quantity": "1.000000",
    "unit": "",
    "unit_price": "49.0000",
    "basis": "net",
    "discount_percent": "0.0000",
    "vat_category": "standard",
    "total": ALL,
    "subscription_id": None,
    "period": {"start": "2026-11-01", "end": "2026-12-01"},
}
INVOICE: dict[str, Any] = {
    "id": "i",
    "number": "INV-2026-0117",
    "state": "open",
    "version": 3,
    "title": "Team",
    "currency": "CHF",
    "language": "de",
    "due_date": "2026-12-03",
    "addressee": None,
    "tax_treatment": "standard",
    "tax_treatment_reason": None,
    "total": ALL,
    "open_amount": ALL,
    "paid": NOTHING,
    "credited": NOTHING,
    "surplus": NOTHING,
    "credit_used": NOTHING,
    "corrects": None,
    "mails": [],
    "downloaded_at": None,
    "lines": [LINE],
}
MAIL = {"kind": "invoice", "to": "old@x.example", "at": "2026-11-20T10:00:00Z"}
DRAFT = {**INVOICE, "number": None, "state": "draft"}
CUSTOMER = {"number": "K-1", "company_name": "Musterhotel AG", "email": "vera@musterhotel.example"}


@pytest.mark.parametrize(
    ("invoice", "offered"),
    [
        (DRAFT, "edit finalize pdf send delete"),
        (INVOICE, "pay pdf send correct due-date credit void delete"),
        ({**INVOICE, "paid": SOME}, "pay pdf send due-date credit"),
        ({**INVOICE, "credited": SOME}, "pay pdf send due-date credit"),
        ({**INVOICE, "state": "paid"}, "pdf send credit"),
        ({**INVOICE, "state": "void"}, "pdf"),
        ({**INVOICE, "state": "void", "mails": [MAIL]}, "pdf cancellation-note"),
        ({**INVOICE, "state": "void", "downloaded_at": MAIL["at"]}, "pdf cancellation-note"),
        ({**INVOICE, "state": "credited"}, "pdf"),
        ({**INVOICE, "state": "unheard of"}, "pdf"),
    ],
)
def test_the_menu_offers_what_the_state_allows(invoice: Any, offered: str) -> None:
    assert [deed.path for deed in deeds_of(invoice, ROLES["billing"])] == offered.split()


@pytest.mark.parametrize("invoice", [DRAFT, INVOICE, {**INVOICE, "state": "paid"}])
def test_who_only_reads_can_only_print(invoice: Any) -> None:
    assert [deed.path for deed in deeds_of(invoice, ROLES["support"])] == ["pdf"]


def test_amounts_and_days_stand_beside_the_words_of_the_menu() -> None:
    notes = {deed.path: deed.note for deed in deeds_of(INVOICE, ROLES["billing"])}

    assert notes["pay"] == notes["void"] == "CHF 52.95"
    assert notes["due-date"] == "3 Dec 2026"


@pytest.mark.parametrize("verb", get_args(Verb))
def test_every_question_has_words(verb: Verb) -> None:
    for invoice in (DRAFT, INVOICE):
        asked = question_of(verb, invoice, CUSTOMER)
        assert asked.sentences
        assert "{" not in f"{asked.title}{asked.button}{''.join(asked.sentences)}"
    assert verb in DONE
    assert question_of(verb, INVOICE, {}).button


def told(verb: Verb, invoice: Any, preview: Any = None) -> str:
    return " ".join(question_of(verb, invoice, CUSTOMER, preview).sentences)


def test_finalising_tells_what_is_owed_and_what_becomes_of_the_other_one() -> None:
    booked = {**DRAFT, "corrects": "x", "lines": [{**LINE, "subscription_id": "s"}]}

    assert "CHF 52.95 will be owed until 3 Dec 2026." in told("finalize", DRAFT, INVOICE)
    assert "not mailed by itself" in told("finalize", DRAFT, INVOICE)
    paid = told("finalize", DRAFT, {**INVOICE, "state": "paid", "credit_used": ALL})
    assert "CHF 52.95 of the balance" in paid
    assert "paid at once" in paid
    assert "becomes void in the same moment" in told("finalize", booked, INVOICE)
    assert "mailed to vera@musterhotel.example" in told("finalize", booked, INVOICE)


def test_sending_tells_to_whom_and_whether_it_is_finalised_first() -> None:
    mailed = {**INVOICE, "mails": [MAIL, {**MAIL, "kind": "credit_note", "to": None}]}

    assert "First it is finalised" in told("send", DRAFT)
    assert question_of("send", DRAFT, CUSTOMER).button == "Finalise and send"
    assert "vera@musterhotel.example" in told("send", INVOICE)
    assert "mailed to old@x.example on 20 Nov 2026;" in told("send", mailed)
    assert question_of("send", mailed, CUSTOMER).button == "Send again"


def test_voiding_and_deleting_tell_what_is_lost_and_what_stays() -> None:
    booked = {**INVOICE, "lines": [{**LINE, "subscription_id": "s"}], "credit_used": SOME}
    mailed = {**INVOICE, "mails": [{**MAIL, "to": None}]}

    assert "CHF 52.95 will not be owed any more." in told("void", INVOICE)
    assert "dropped" not in told("void", INVOICE)
    assert "dropped" in told("void", booked)
    assert "CHF 10.00 goes back to the balance." in told("void", booked)
    assert "cancellation note" in told("void", mailed)
    assert "The draft disappears." in told("delete", DRAFT)
    assert "left out of the lists" in told("delete", INVOICE)
    assert "A credit note takes it back." in told("delete", {**INVOICE, "paid": SOME})


def test_every_deed_of_the_table_exists() -> None:
    named = {name for names in deeds._BY_STATE.values() for name in names}

    assert named == set(deeds._all({**INVOICE, "mails": [MAIL]}))


def test_a_draft_has_no_number_and_a_due_date_only_where_one_was_set() -> None:
    assert words.invoice_name(DRAFT) == "Draft"
    assert words.invoice_pill({**DRAFT, "due_date": None}).word == "Draft"


# -- the editor --------------------------------------------------------------------------------


def form(**given: str) -> Form:
    return Form([(name.replace("__", "."), text) for name, text in given.items()])


def with_rows(*rows: dict[str, str]) -> Sheet:
    blank = blank_sheet("CHF", "de")
    return Sheet(blank.head, tuple({**blank.rows[0], **row} for row in rows))


def test_a_stored_draft_goes_through_the_form_unchanged() -> None:
    addressee = {"name": "X", "contact_name": "", "address_lines": ["A", "B"], "billing_note": None}
    line = {**LINE, "position": 2, "quantity": "12.500000", "discount_percent": "10.0000"}
    sheet = sheet_of({**DRAFT, "addressee": addressee, "lines": [line]})
    fields = {f"line.0.{name}": text for name, text in sheet.rows[0].items()}
    again = read_sheet(Form([("row", "0"), *sheet.head.items(), *fields.items()]))

    body = body_of(again)

    assert body["lines"] == [
        {
            "position": 2,
            "title": "Team",
            "description": "",
            "unit": "",
            "basis": "net",
            "vat_category": "standard",
            "quantity": "12.5",
            "unit_price": "49",
            "discount_percent": "10",
            "period": {"start": "2026-11-01", "end": "2026-12-01"},
        }
    ]
    assert body["addressee"] == addressee
    assert "tax_treatment" not in body
    assert body["due_date"] == "2026-12-03"


@pytest.mark.parametrize(
    ("act", "titles", "focus"),
    [
        ("add", ["a", "b", "c", ""], "line.3.title"),
        ("remove:1", ["a", "c"], "add"),
        ("up:2", ["a", "c", "b"], "up.1"),
        ("down:0", ["b", "a", "c"], "down.1"),
        ("up:0", ["a", "b", "c"], ""),
        ("down:2", ["a", "b", "c"], ""),
        ("remove:9", ["a", "b", "c"], ""),
        ("remove:", ["a", "b", "c"], ""),
        ("save", ["a", "b", "c"], ""),
        ("", ["a", "b", "c"], ""),
    ],
)
def test_rows_are_added_moved_and_taken_out(act: str, titles: list[str], focus: str) -> None:
    found = rearranged(with_rows({"title": "a"}, {"title": "b"}, {"title": "c"}), act)

    assert [row["title"] for row in found.rows] == titles
    assert found.focus == focus


def test_a_new_row_is_priced_as_the_last_one() -> None:
    found = rearranged(
        with_rows({"title": "a", "basis": "gross", "vat_category": "reduced"}), "add"
    )

    assert (found.rows[1]["basis"], found.rows[1]["vat_category"]) == ("gross", "reduced")
    assert rearranged(with_rows(), "add").rows[0]["basis"] == "net"


def test_rows_that_were_left_empty_are_not_meant_and_rules_find_their_own_row() -> None:
    sheet = with_rows({"title": "a", "unit_price": "1'000.50"}, {}, {"title": "c"})
    rules = [
        {"field": "lines[1].unit_price", "rule": "must be a decimal"},
        {"field": "lines[0].period", "rule": "end must be after start"},
        {"field": "title", "rule": "too long"},
    ]

    assert [line["title"] for line in body_of(sheet)["lines"]] == ["a", "c"]
    assert body_of(sheet)["lines"][0]["unit_price"] == "1000.50"
    assert errors_of(Refused(422, {"errors": rules}), sheet) == {
        "line.2.unit_price": "must be a decimal",
        "line.0.last_day": "end must be after start",
        "title": "too long",
    }
    assert line_totals(sheet, [{"total": SOME}, {"total": ALL}]) == {0: SOME, 2: ALL}


@pytest.mark.parametrize("last_day", ["x", "9999-12-31", ""])
def test_a_last_day_that_is_none_is_refused_at_its_field(last_day: str) -> None:
    sheet = with_rows({"title": "a", "start": "2026-11-01", "last_day": last_day})

    with pytest.raises(Refused) as refused:
        body_of(sheet)

    assert errors_of(refused.value, sheet) == {"line.0.last_day": "must be a day"}


def test_fields_have_names() -> None:
    assert label_of("line.2.unit_price") == "Line 3, unit price"
    assert label_of("tax_treatment_reason") == "Tax treatment reason"


# -- settings ----------------------------------------------------------------------------------

SELLER: dict[str, Any] = {
    "version": 4,
    "company_name": "Kontor Demo AG",
    "brand_name": "",
    "address_lines": ["Bahnhofstrasse 1", "8001 Zürich"],
    "country": "CH",
    "time_zone": "Europe/Zurich",
    "email": "billing@kontor.example",
    "vat_id": "",
    "iban": "",
    "footer": "",
    "registrations": ["CH", "DE"],
    "due_days": 10,
    "rounding_minor": {"CHF": 5},
    "vat_rates": [
        {
            "country": "CH",
            "category": "standard",
            "percent": "8.1000",
            "valid_from": "2024-01-01",
            "valid_to": "2026-01-01",
        }
    ],
    "brand_color": "",
    "logo_sha256": "ab",
    "invoice_numbers": {"prefix": "RE", "yearly": False, "start": 100},
    "credit_note_numbers": {"prefix": "CN", "yearly": True, "start": 1},
    "something_new": ["kept"],
}


def test_stored_settings_go_through_the_form_unchanged() -> None:
    sheet = seller_sheet(SELLER)
    rates = {f"rate.0.{name}": text for name, text in sheet.rates[0].items()}
    given = [("row", "0"), ("version", "4"), *sheet.texts.items(), *rates.items()]
    again = read_seller(Form(given))

    assert again == sheet
    assert sheet.rates[0]["last_day"] == "2025-12-31"
    rate = {**SELLER["vat_rates"][0], "percent": "8.1"}
    shown_only = {"version", "logo_sha256"}
    kept = {name: value for name, value in SELLER.items() if name not in shown_only}
    assert seller_body(again, SELLER) == {**kept, "vat_rates": [rate]}
    plain = replace(again, texts={**again.texts, "invoice_numbers.prefix": ""})
    assert "invoice_numbers" not in seller_body(plain, SELLER)


def test_before_anybody_has_saved_settings_the_form_is_blank_and_complete() -> None:
    sheet = seller_sheet(BLANK_SELLER)

    body = seller_body(sheet, BLANK_SELLER)

    assert set(body) == set(SELLER) - {"version", "logo_sha256", "something_new"}
    assert sheet.version == "0"


@pytest.mark.parametrize("typed", ["CHF", "5", "CHF 5 EUR 1", "francs 5"])
def test_a_rounding_that_means_nothing_is_refused_at_its_field(typed: str) -> None:
    sheet = read_seller(form(rounding=typed))

    with pytest.raises(Refused) as refused:
        seller_body(sheet, SELLER)

    assert set(seller_errors(refused.value)) == {"rounding"}


def test_rules_about_settings_find_their_field() -> None:
    rules = {
        "vat_rates[2].valid_to": "rate.2.last_day",
        "vat_rates[0].percent": "rate.0.percent",
        "vat_rates": "rates",
        "rounding_minor.CHF": "rounding",
        "address_lines[1]": "address_lines",
        "invoice_numbers.prefix": "invoice_numbers.prefix",
    }
    for field, expected in rules.items():
        refused = Refused(422, {"errors": [{"field": field, "rule": "no"}]})
        assert list(seller_errors(refused)) == [expected]
