"""Drafts: their lines, what they come to, and what becomes of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.billing.domain.amending import change_due_date, void
from services.billing.domain.draft import (
    Draft,
    correction_of,
    finalize,
    priced,
    with_line,
    with_line_changed,
    with_lines,
    with_order,
    without_line,
)
from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState
from services.billing.use_cases.drafts import Facts, preview
from shared.errors import Conflict, InputInvalid, NotFound
from shared.events.billing import SellerVatRate, SettingsChanged
from shared.periods import Period

CUSTOMER, DRAFT, OLD, BOOKING, REQUEST = (UUID(int=n) for n in range(1, 6))
TODAY = date(2026, 1, 31)
NOW = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))
BUYER = {
    "country": "CH",
    "company_name": "Musterhotel AG",
    "contact_name": "Vera Beispiel",
    "vat_id": "",
    "language": "de",
    "billing_name": "",
    "billing_address": [],
    "billing_note": "PO 7",
}
SELLER = SettingsChanged(
    version=1,
    company_name="Alpensaas GmbH",
    brand_name="Alpensaas",
    address_lines=("Musterweg 1",),
    country="CH",
    time_zone="Europe/Zurich",
    email="rechnung@alpensaas.example",
    registrations=("CH",),
    vat_rates=(
        SellerVatRate(
            country="CH",
            category="standard",
            percent=Decimal("8.1"),
            valid_from=date(2024, 1, 1),
        ),
    ),
    due_days=10,
)


def line(price: str = "10.00", **different: Any) -> InvoiceLine:
    fields: dict[str, Any] = {
        "position": 0,
        "title": "Beratung",
        "description": "",
        "explanation": "",
        "quantity": Decimal(1),
        "unit": "",
        "unit_price": Decimal(price),
        "basis": "net",
        "discount_percent": Decimal(0),
        "vat_category": "standard",
        "vat_percent": Decimal(0),
        "total_minor": 0,
    }
    return InvoiceLine(**{**fields, **different})


def booked(price: str = "49.00", **different: Any) -> InvoiceLine:
    own = {"subscription_id": BOOKING, "request_id": REQUEST, "cycle": "monthly", "period": MARCH}
    return line(price, **{**own, "explanation": "31 days", **different})


def draft(*lines: InvoiceLine, **different: Any) -> Draft:
    fields: dict[str, Any] = {
        "id": DRAFT,
        "customer_id": CUSTOMER,
        "version": 3,
        "title": "",
        "currency": "CHF",
        "language": "de",
        "tax_treatment": "standard",
        "subtotal_minor": 0,
        "vat_minor": 0,
        "rounding_minor": 0,
        "total_minor": 0,
        "vat": (),
        "seller": {},
        "buyer": {},
        "lines": lines,
        **different,
    }
    return priced(Draft(**fields), BUYER, SELLER, TODAY)


def opened(*lines: InvoiceLine, **different: Any) -> Invoice:
    return finalize(
        draft(*lines, **different),
        request_id=REQUEST,
        number="INV-2026-0001",
        invoice_date=TODAY,
        now=NOW,
    )


def titles(of: Draft) -> list[str]:
    return [row.title for row in of.lines]


# -- prices --------------------------------------------------------------------------------------


def test_what_takes_back_a_booking_keeps_the_rate_it_was_sold_at() -> None:
    credit = booked("-10.00", vat_percent=Decimal("7.7"))
    for override in ({}, {"tax_treatment": "export", "tax_treatment_reason": "x"}):
        found = draft(line("10.00"), credit, line("-10.00", vat_percent=Decimal("7.7")), **override)
        own = Decimal(0) if override else Decimal("8.1")
        assert [row.vat_percent for row in found.lines] == [own, Decimal("7.7"), own]


def test_without_a_reason_the_treatment_follows_from_the_facts() -> None:
    assert draft(line(), tax_treatment="exempt").tax_treatment == "standard"
    decided = draft(line(), tax_treatment="exempt", tax_treatment_reason="Ausbildung")
    assert (decided.tax_treatment, decided.vat_minor) == ("exempt", 0)


def test_the_addressee_stands_in_the_place_of_the_customers_own() -> None:
    found = draft(addressee={"billing_name": "Treuhand AG", "billing_address": ["Bern"]})

    assert (found.buyer["billing_name"], found.buyer["billing_address"]) == (
        "Treuhand AG",
        ["Bern"],
    )
    assert (found.buyer["billing_note"], found.buyer["country"]) == ("PO 7", "CH")


def test_what_cannot_be_priced_is_named() -> None:
    with pytest.raises(InputInvalid, match=r"lines\[1\]\.vat_category: no rate for books in CH"):
        draft(line(), line(vat_category="books"))


def test_no_due_date_is_set_that_has_passed_but_one_may_pass() -> None:
    facts, yesterday = Facts(BUYER, SELLER, TODAY), TODAY - timedelta(days=1)
    with pytest.raises(InputInvalid, match="due_date: must not be before 2026-01-31"):
        facts.edit(draft(), lambda d: replace(d, due_date=yesterday))
    assert facts.edit(draft(), lambda d: replace(d, due_date=TODAY)).due_date == TODAY
    late = draft(line(), due_date=yesterday)
    assert titles(facts.edit(late, lambda d: with_line(d, line(title="B")))) == ["Beratung", "B"]


# -- lines ---------------------------------------------------------------------------------------


def test_lines_come_go_and_change_places() -> None:
    three = draft(line(title="A"), line(title="B"), line(title="C"))

    assert titles(with_line(three, line(title="D"))) == ["A", "B", "C", "D"]
    assert titles(without_line(three, 2)) == ["A", "C"]
    assert titles(with_order(three, [3, 1, 2])) == ["C", "A", "B"]
    assert titles(with_line_changed(three, 2, {"title": "X"})) == ["A", "X", "C"]
    for position in (0, 4):
        with pytest.raises(NotFound):
            without_line(three, position)
    for positions in ([1, 2], [1, 2, 2], [1, 2, 4], [1, 2, 3, 3]):
        with pytest.raises(InputInvalid, match="each of the 3 lines once"):
            with_order(three, positions)


def test_a_line_in_the_place_of_a_bookings_stays_its_line() -> None:
    before = draft(line(title="A"), booked(vat_percent=Decimal("7.7")))
    first, second = with_lines(before, [(2, line("40.00", title="Neu")), (None, line())])

    own = (first.subscription_id, first.request_id, first.cycle, first.period)
    assert own == (BOOKING, REQUEST, "monthly", MARCH)
    assert (first.title, first.unit_price) == ("Neu", Decimal("40.00"))
    assert (second.subscription_id, second.period) == (None, None)


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        ({"title": "Neu"}, "31 days"),
        ({"unit_price": Decimal("48.00")}, ""),
        ({"quantity": Decimal(2)}, ""),
        ({"discount_percent": Decimal(5)}, ""),
    ],
)
def test_how_an_amount_came_about_goes_with_the_amount(
    changes: dict[str, Any], explanation: str
) -> None:
    changed = with_line_changed(draft(booked()), 1, changes)

    assert changed.lines[0].explanation == explanation


def test_the_period_of_a_booking_is_not_the_operators() -> None:
    other = Period(date(2026, 4, 1), date(2026, 5, 1))
    before = draft(booked(), line(period=MARCH))
    for period in (None, MARCH):
        assert with_lines(before, [(1, line(period=period))])[0].period == MARCH
    with pytest.raises(InputInvalid, match=r"lines\[1\]\.period"):
        with_lines(before, [(2, line()), (1, line(period=other))])
    assert with_lines(before, [(2, line(period=other))])[0].period == other
    assert with_lines(before, [(2, line())])[0].period is None


@pytest.mark.parametrize("positions", [[3], [1, 1], [0]])
def test_the_place_of_no_line_can_not_be_taken(positions: list[int]) -> None:
    with pytest.raises(InputInvalid, match=r"position: must be a line of the draft, once"):
        with_lines(draft(line(), line()), [(position, line()) for position in positions])


# -- becoming an invoice -------------------------------------------------------------------------


def test_a_finalised_draft_is_owed_from_its_day_on() -> None:
    invoice = opened(line("49.00"), line("1.00", title="Spesen"))

    assert (invoice.state, invoice.version, invoice.title) == (InvoiceState.OPEN, 4, "Beratung")
    assert (invoice.invoice_date, invoice.due_date) == (TODAY, date(2026, 2, 10))
    assert (invoice.total_minor, invoice.open_minor, invoice.settlement) == (5405, 5405, 0)
    assert (invoice.buyer, invoice.seller["company_name"]) == (BUYER, "Alpensaas GmbH")
    assert opened(line(), title="Eigener", due_date=TODAY).due_date == TODAY


def test_a_preview_is_what_finalising_makes_but_for_the_number() -> None:
    facts = Facts(BUYER, SELLER, TODAY)
    written = replace(draft(line()), lines=(line("49.00"), line("1.00", title="Spesen")))

    expected = opened(line("49.00"), line("1.00", title="Spesen"))
    assert preview(written, facts, now=NOW) == replace(expected, number="", request_id=None)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (draft(), "draft_empty"),
        (draft(line("-0.01")), "total_negative"),
        (replace(draft(line()), due_date=TODAY - timedelta(days=1)), "due_date_passed"),
    ],
)
def test_what_is_no_invoice_is_not_finalised(wrong: Draft, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        finalize(wrong, request_id=None, number="X", invoice_date=TODAY, now=NOW)

    assert refused.value.code == code


def test_a_correction_begins_with_what_the_invoice_says() -> None:
    reason = {"tax_treatment": "exempt", "tax_treatment_reason": "Ausbildung"}
    invoice = replace(
        opened(booked(), line(), id=OLD, title="Alt", addressee={"billing_name": "T"}, **reason),
        credit_used_minor=100,
    )
    corrected = correction_of(invoice, draft_id=DRAFT, today=TODAY)

    assert (corrected.id, corrected.version, corrected.corrects) == (DRAFT, 1, OLD)
    assert (corrected.lines, corrected.title) == (invoice.lines, "Alt")
    assert (corrected.addressee, corrected.tax_treatment_reason) == (
        {"billing_name": "T"},
        "Ausbildung",
    )
    assert corrected.due_date == invoice.due_date
    late = correction_of(invoice, draft_id=DRAFT, today=invoice.due_date + timedelta(days=1))
    assert late.due_date is None


@pytest.mark.parametrize(
    ("moved", "code", "way_out"),
    [
        ({"paid_minor": 1}, "invoice_partly_paid", "credit_note"),
        ({"credited_minor": 1}, "invoice_partly_credited", "credit_note"),
        ({"paid_minor": 1, "credited_minor": 1}, "invoice_partly_paid", "credit_note"),
        # Credited, paid, and the payment went back since.
        ({"surplus_minor": 1}, "invoice_partly_paid", "credit_note"),
        ({"state": InvoiceState.PAID}, "invoice_paid", "credit_note"),
        ({"state": InvoiceState.VOID}, "invoice_void", None),
        ({"state": InvoiceState.CREDITED}, "invoice_credited", None),
    ],
)
def test_what_has_moved_money_is_neither_corrected_nor_voided(
    moved: dict[str, Any], code: str, way_out: str | None
) -> None:
    invoice = replace(opened(line()), **moved)
    for take_back in (
        lambda: correction_of(invoice, draft_id=DRAFT, today=TODAY),
        lambda: void(invoice, now=NOW, hidden=True),
    ):
        with pytest.raises(Conflict) as refused:
            take_back()
        assert refused.value.code == code
        assert refused.value.extra.get("way_out") == way_out


# -- more time -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "due_date", "taken"),
    [
        (TODAY, TODAY, True),
        (TODAY, date(2026, 12, 31), True),
        (TODAY, date(2026, 1, 30), False),
        (date(2026, 2, 15), date(2026, 2, 14), False),
        (date(2026, 2, 15), date(2026, 2, 15), True),
        # The last number was given tomorrow: dates follow the numbers.
        (date(2026, 1, 30), date(2026, 1, 30), False),
    ],
)
def test_an_invoice_is_due_today_or_later_and_never_before_its_own_day(
    today: date, due_date: date, taken: bool
) -> None:
    invoice = opened(line())
    if not taken:
        with pytest.raises(InputInvalid, match="due_date: must not be before"):
            change_due_date(invoice, due_date, today=today)
        return
    changed = change_due_date(invoice, due_date, today=today)
    assert changed == replace(invoice, version=invoice.version + 1, due_date=due_date)
