"""Opening, paying and voiding an invoice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.billing.domain.amending import void
from services.billing.domain.invoice import (
    Invoice,
    InvoiceState,
    Payment,
    record_payment,
)
from services.billing.domain.numbering import Series
from services.billing.domain.opening import (
    AmountChanged,
    open_requested,
    quote_request,
    use_credit,
)
from services.billing.use_cases.announcements import (
    opened_event,
    paid_event,
    partially_paid_event,
    voided_event,
)
from shared.errors import Conflict, InputInvalid
from shared.events.billing import SellerVatRate, SettingsChanged
from shared.events.subscriptions import EventPeriod, InvoiceRequested, RequestedLine
from shared.invoicing import InvoicingError
from shared.money import MINOR_LIMIT, Money
from shared.periods import Period

CUSTOMER, REQUEST, INVOICE = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = date(2026, 1, 31)
NOW = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
BUYER = {
    "country": "CH",
    "company_name": "Musterhotel AG",
    "vat_id": "",
    "language": "de",
    "email": "vera@musterhotel.example",
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
    rounding_minor={"CHF": 5},
)


def line(number: int, price: str, **different: Any) -> RequestedLine:
    values = {
        "subscription_id": UUID(int=100 + number),
        "title": f"Product {number}",
        "unit_price": Decimal(price),
        "basis": "net",
        "vat_category": "standard",
        "cycle": "monthly",
    }
    return RequestedLine(**{**values, **different})


def request(lines: Sequence[RequestedLine], total: str, currency: str = "CHF") -> InvoiceRequested:
    return InvoiceRequested(
        customer_id=CUSTOMER,
        request_id=REQUEST,
        reason="booking",
        title="Product 1",
        currency=currency,
        lines=tuple(lines),
        expected_total=Money.parse(total, currency),
    )


def opened(
    lines: Sequence[RequestedLine] = (line(1, "49.00"),), total: str = "52.95", **seller: Any
) -> Invoice:
    asked = request(lines, total)
    settings = SELLER.model_copy(update=seller)
    invoice = open_requested(
        asked,
        quote_request(asked, BUYER, settings, TODAY),
        BUYER,
        settings,
        invoice_id=INVOICE,
        number="INV-2026-0007",
        invoice_date=TODAY,
        now=NOW,
    )
    return use_credit(invoice, 0)


def payment(amount: str) -> Payment:
    return Payment(
        id=UUID(int=9),
        invoice_id=INVOICE,
        customer_id=CUSTOMER,
        amount=Money.parse(amount, "CHF"),
        method="bank_transfer",
        reference="",
        received_on=TODAY,
        recorded_at=LATER,
        recorded_by="local",
    )


def pay(invoice: Invoice, sum_paid: str, **different: Any) -> Invoice:
    return record_payment(invoice, replace(payment(sum_paid), **different), today=TODAY)


# -- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "number", "text"),
    [(2026, 1, "INV-2026-0001"), (2026, 9999, "INV-2026-9999"), (2027, 12345, "INV-2027-12345")],
)
def test_a_number_has_four_digits_or_more(year: int, number: int, text: str) -> None:
    assert Series("INV").text(date(year, 5, 1), number) == text


def test_a_series_may_count_on_over_the_years() -> None:
    series = Series("RE", yearly=False, start=118)
    assert series.text(date(2026, 12, 31), 118) == "RE-0118"
    assert series.year_of(date(2026, 12, 31)) == series.year_of(date(2027, 1, 1)) == 0


def test_an_opened_invoice_is_numbered_dated_and_owed() -> None:
    invoice = opened()

    assert (invoice.number, invoice.state, invoice.version) == ("INV-2026-0007", "open", 1)
    assert (invoice.invoice_date, invoice.due_date) == (TODAY, date(2026, 2, 10))
    assert (invoice.subtotal_minor, invoice.vat_minor, invoice.rounding_minor) == (4900, 397, -2)
    assert (invoice.total_minor, invoice.paid_minor, invoice.open_minor) == (5295, 0, 5295)
    assert (invoice.opened_at, invoice.paid_at, invoice.voided_at) == (NOW, None, None)
    assert (invoice.settlement, invoice.tax_treatment, invoice.language) == (0, "standard", "de")


def test_lines_keep_their_order_subscription_request_and_period() -> None:
    period = EventPeriod(start=date(2026, 2, 1), end=date(2026, 3, 1))
    invoice = opened([line(1, "49.00"), line(2, "1.00", period=period)], "54.05")

    assert [row.position for row in invoice.lines] == [1, 2]
    assert [row.subscription_id for row in invoice.lines] == [UUID(int=101), UUID(int=102)]
    assert {row.request_id for row in invoice.lines} == {REQUEST}
    assert [row.period for row in invoice.lines] == [None, Period(period.start, period.end)]
    assert [row.total_minor for row in invoice.lines] == [4900, 100]
    assert {row.vat_percent for row in invoice.lines} == {Decimal("8.1")}


def test_an_invoice_keeps_seller_and_buyer_as_they_were() -> None:
    invoice = opened()

    assert invoice.buyer == BUYER
    assert invoice.seller["company_name"] == "Alpensaas GmbH"
    assert {"vat_rates", "customer_id"}.isdisjoint(invoice.seller)


@pytest.mark.parametrize("due_days", [0, 30])
def test_the_due_date_counts_from_the_invoice_date(due_days: int) -> None:
    assert opened(due_days=due_days).due_date == TODAY + timedelta(days=due_days)


def test_nothing_to_pay_is_paid_at_once() -> None:
    invoice = opened([line(1, "0.00")], "0.00")

    assert (invoice.state, invoice.settlement) == (InvoiceState.PAID, 1)
    assert (invoice.paid_at, invoice.open_minor, invoice.paid_minor) == (NOW, 0, 0)


def test_a_total_that_is_no_longer_the_one_shown_is_refused() -> None:
    with pytest.raises(AmountChanged):
        quote_request(request([line(1, "49.00")], "52.90"), BUYER, SELLER, TODAY)


def test_the_refusal_of_a_changed_total_names_both_amounts() -> None:
    with pytest.raises(AmountChanged, match=r"CHF 52\.90.*CHF 52\.95"):
        quote_request(request([line(1, "49.00")], "52.90"), BUYER, SELLER, TODAY)


def test_a_price_without_a_rate_for_its_category_is_refused() -> None:
    asked = request([line(1, "49.00", vat_category="books")], "52.95")

    with pytest.raises(InvoicingError, match="no rate for books in CH"):
        quote_request(asked, BUYER, SELLER, TODAY)


def test_a_private_buyer_is_told_by_the_empty_company_name() -> None:
    """An EU company with a VAT id owes the VAT itself; a person does not."""
    german = SELLER.model_copy(
        update={
            "registrations": ("DE",),
            "vat_rates": (SELLER.vat_rates[0].model_copy(update={"country": "DE"}),),
            "rounding_minor": {},
        }
    )
    company = {**BUYER, "country": "FR", "vat_id": "FR12345678901"}
    free, taxed = request([line(1, "10.00")], "10.00"), request([line(1, "10.00")], "10.81")

    assert quote_request(free, company, german, TODAY).treatment == "reverse_charge"
    person = {**company, "company_name": ""}
    assert quote_request(taxed, person, german, TODAY).treatment == "standard"


# -- paying --------------------------------------------------------------------------------------


def test_the_whole_amount_settles_the_invoice_at_the_moment_it_was_recorded() -> None:
    invoice = opened()
    paid = pay(invoice, "52.95")

    assert paid == replace(
        invoice,
        state=InvoiceState.PAID,
        version=2,
        paid_minor=5295,
        settlement=1,
        paid_at=LATER,
    )
    assert paid.open_minor == 0


def test_parts_settle_it_with_the_last_one() -> None:
    first = pay(opened(), "52.90")

    assert (first.state, first.version, first.open_minor) == (InvoiceState.OPEN, 2, 5)
    assert (first.settlement, first.paid_at) == (0, None)
    last = pay(first, "0.05")
    assert (last.state, last.version, last.settlement) == (InvoiceState.PAID, 3, 1)
    assert last.paid_minor == last.total_minor


def test_a_second_settlement_is_counted() -> None:
    reversed_once = replace(opened(), settlement=1)

    assert pay(reversed_once, "52.95").settlement == 2


@pytest.mark.parametrize(
    ("different", "field", "rule"),
    [
        ({"amount": Money(5295, "EUR")}, "amount.currency", "must be CHF"),
        ({"amount": Money(0, "CHF")}, "amount.amount", "greater than 0"),
        ({"amount": Money(-1, "CHF")}, "amount.amount", "greater than 0"),
        ({"amount": Money(MINOR_LIMIT - 1, "CHF")}, "amount.amount", "below 10^15"),
        ({"received_on": TODAY + timedelta(days=1)}, "received_on", "future"),
    ],
)
def test_a_payment_that_breaks_a_rule_is_refused(
    different: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        pay(pay(opened(), "0.01"), "52.95", **different)

    (error,) = refused.value.errors
    assert error.field == field
    assert rule in error.rule


def test_what_is_paid_above_the_open_amount_is_surplus() -> None:
    paid = pay(pay(opened(), "52.90"), "0.10")

    assert (paid.state, paid.paid_minor, paid.surplus_minor) == (InvoiceState.PAID, 5300, 5)
    assert paid.owed_minor == 0


@pytest.mark.parametrize("received_on", [TODAY, date(2020, 1, 1)])
def test_a_payment_of_today_or_earlier_is_taken(received_on: date) -> None:
    assert pay(opened(), "52.95", received_on=received_on).state is InvoiceState.PAID


@pytest.mark.parametrize(
    "state", [InvoiceState.DRAFT, InvoiceState.PAID, InvoiceState.VOID, InvoiceState.CREDITED]
)
def test_an_invoice_that_is_not_open_takes_no_payment(state: InvoiceState) -> None:
    with pytest.raises(Conflict) as refused:
        pay(replace(opened(), state=state), "52.95")

    assert refused.value.code == f"invoice_{state}"
    assert "INV-2026-0007" in refused.value.detail


# -- voiding -------------------------------------------------------------------------------------


def test_an_unpaid_invoice_is_voided_and_keeps_its_number() -> None:
    invoice = opened()

    assert void(invoice, now=LATER) == replace(
        invoice, state=InvoiceState.VOID, version=2, voided_at=LATER
    )
    assert void(invoice, now=LATER).open_minor == 0


def test_an_invoice_with_payments_can_not_be_voided() -> None:
    with pytest.raises(Conflict, match="credit note") as refused:
        void(pay(opened(), "0.05"), now=LATER)

    assert refused.value.code == "invoice_partly_paid"


@pytest.mark.parametrize(
    "state", [InvoiceState.DRAFT, InvoiceState.PAID, InvoiceState.VOID, InvoiceState.CREDITED]
)
def test_an_invoice_that_is_not_open_can_not_be_voided(state: InvoiceState) -> None:
    with pytest.raises(Conflict) as refused:
        void(replace(opened(), state=state), now=LATER)

    assert refused.value.code == f"invoice_{state}"


# -- what is said about it -----------------------------------------------------------------------


def test_the_events_say_what_was_decided() -> None:
    invoice = opened()
    part, paid, gone = pay(invoice, "2.95"), pay(invoice, "52.95"), void(invoice, now=LATER)
    total, zero = Money(5295, "CHF"), Money(0, "CHF")

    said = opened_event(invoice)
    assert (said.total, said.open_amount, said.version) == (total, total, 1)
    assert (said.subject, said.key) == (str(INVOICE), str(CUSTOMER))
    assert [(row.request_id, row.subscription_id) for row in said.lines] == [
        (REQUEST, UUID(int=101))
    ]
    some = partially_paid_event(part)
    assert (some.paid, some.open_amount, some.version) == (
        Money(295, "CHF"),
        Money(5000, "CHF"),
        2,
    )
    settled = paid_event(paid)
    assert (settled.paid_at, settled.settlement, settled.total) == (LATER, 1, total)
    assert (voided_event(gone).version, voided_event(gone).replaced_by) == (2, None)
    nothing = opened_event(opened([line(1, "0.00")], "0.00"))
    assert (nothing.total, nothing.open_amount) == (zero, zero)


def test_nobody_announces_a_payment_that_has_not_settled() -> None:
    with pytest.raises(ValueError, match="is not paid"):
        paid_event(pay(opened(), "1.00"))
