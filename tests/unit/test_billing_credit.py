"""Credit notes, the balance, and what becomes of an invoice nobody waits for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.balance import (
    Balance,
    Source,
    deposit,
    forfeit,
    give_back,
    take,
)
from services.billing.domain.credit import (
    CreditNote,
    amounts_left,
    amounts_requested,
    credit,
    shares,
)
from services.billing.domain.invoice import (
    Invoice,
    InvoiceLine,
    InvoiceState,
    Payment,
    reverse_payment,
)
from services.billing.domain.opening import open_replacement, use_credit, without_lines
from services.billing.domain.withdrawal import decide_withdrawal
from shared.errors import Conflict
from shared.events.subscriptions import InvoiceRequested, RequestedLine
from shared.money import MINOR_LIMIT, Money

CUSTOMER, INVOICE, REQUEST = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = date(2026, 1, 31)
NOW = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
RATES = [Decimal("8.1"), Decimal("2.6"), Decimal(0)]


def line(position: int, minor: int, **different: Any) -> InvoiceLine:
    values: dict[str, Any] = {
        "position": position,
        "title": f"Product {position}",
        "description": "",
        "explanation": "",
        "quantity": Decimal(1),
        "unit": "",
        "unit_price": Decimal(minor) / 100,
        "basis": "net",
        "discount_percent": Decimal(0),
        "vat_category": "standard",
        "vat_percent": Decimal("8.1"),
        "total_minor": minor,
        "subscription_id": UUID(int=100 + position),
        "request_id": REQUEST,
    }
    return InvoiceLine(**{**values, **different})


def invoice(*lines: InvoiceLine, rounding: int = 5, **different: Any) -> Invoice:
    """Open, priced as every invoice is."""
    bare = Invoice(
        id=INVOICE,
        customer_id=CUSTOMER,
        request_id=REQUEST,
        number="INV-2026-0001",
        state=InvoiceState.OPEN,
        version=1,
        title="Team",
        currency="CHF",
        language="de",
        invoice_date=TODAY,
        due_date=TODAY,
        tax_treatment="standard",
        subtotal_minor=0,
        vat_minor=0,
        rounding_minor=0,
        total_minor=0,
        vat=(),
        seller={"due_days": 10, "rounding_minor": {"CHF": rounding}},
        buyer={},
        lines=(),
        opened_at=NOW,
    )
    priced = open_replacement(
        bare, lines, invoice_id=INVOICE, number=bare.number, invoice_date=TODAY, now=NOW
    )
    return replace(priced, **different)


def paid(of: Invoice) -> Invoice:
    return replace(of, state=InvoiceState.PAID, paid_minor=of.total_minor, settlement=1)


def credited(of: Invoice, amounts: dict[int, int]) -> tuple[Invoice, CreditNote]:
    return credit(
        of,
        amounts,
        note_id=UUID(int=9),
        number="CN-2026-0001",
        issued_on=TODAY,
        cause="operator",
        reason="",
        created_at=NOW,
        created_by="local",
    )


# -- credit notes --------------------------------------------------------------------------------

LINES = st.lists(
    st.tuples(st.integers(1, 10**7), st.sampled_from(["net", "gross"]), st.sampled_from(RATES)),
    min_size=1,
    max_size=4,
)


@given(LINES, st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100))), st.sampled_from([1, 5]))
def test_credit_notes_over_everything_have_the_vat_the_rounding_and_the_total_of_the_invoice(
    lines: Any, parts: Sequence[tuple[int, int]], rounding: int
) -> None:
    made = [
        line(n, minor, basis=basis, vat_percent=rate)
        for n, (minor, basis, rate) in enumerate(lines, 1)
    ]
    whole = now_is = paid(invoice(*made, rounding=rounding))
    notes = []
    for index, percent in parts:
        chosen = now_is.lines[index % len(lines)]
        amount = chosen.left_minor * percent // 100
        if amount:
            now_is, note = credited(now_is, {chosen.position: amount})
            notes.append(note)
        if now_is.state is InvoiceState.CREDITED:
            break
    else:
        now_is, note = credited(now_is, amounts_left(now_is.lines))
        notes.append(note)

    assert now_is.state is InvoiceState.CREDITED
    assert sum(note.total_minor for note in notes) == whole.total_minor
    assert sum(note.vat_minor for note in notes) == whole.vat_minor
    assert sum(note.rounding_minor for note in notes) == whole.rounding_minor
    assert sum(note.to_balance_minor for note in notes) == whole.total_minor
    assert all(note.total_minor >= 0 for note in notes)


def test_a_line_that_was_paid_by_a_credit_line_is_worth_what_it_says() -> None:
    """Unused value is what a period cost, also where older credit had paid for it."""
    upgrade = paid(invoice(line(1, 10_000), line(2, -3_000)))
    assert upgrade.total_minor == 7_565
    after, note = credited(upgrade, {1: 9_000})

    assert note.total_minor == note.to_balance_minor == 9_730
    assert (after.state, after.owed_minor) == (InvoiceState.PAID, 0)


def test_a_credit_line_alone_cannot_be_credited() -> None:
    with pytest.raises(Conflict, match="negative"):
        credited(paid(invoice(line(1, 10_000), line(2, -3_000))), {2: -3_000})


def test_a_request_gets_what_is_left_of_a_line_that_was_charged() -> None:
    partly = invoice(line(1, 1_000, credited_minor=600), line(2, -300), line(3, 200))

    assert amounts_requested(partly, [(1, 500), (2, 300), (3, 100), (7, 1)]) == {1: 400, 3: 100}


def test_surplus_belongs_to_the_subscriptions_in_proportion_to_their_lines() -> None:
    both = paid(invoice(line(1, 1_000), line(2, 2_000), rounding=1))
    _, note = credited(both, {1: 1_000, 2: 2_000})

    assert note.to_balance_minor == 3_243
    assert shares(both, note) == [(UUID(int=101), 1_081), (UUID(int=102), 2_162)]


# -- the balance ---------------------------------------------------------------------------------


def source(number: int, **different: Any) -> Source:
    return Source(UUID(int=number), "credit_note", NOW, "test", **different)


def filled(*lots: tuple[int, int | None]) -> Balance:
    """Lots 1, 2, ... of an amount and of a subscription."""
    balance = Balance(CUSTOMER, "CHF")
    for number, (minor, subscription) in enumerate(lots, 1):
        came = source(
            number,
            invoice_id=UUID(int=number),
            subscription_id=UUID(int=subscription) if subscription else None,
        )
        balance, _ = deposit(balance, minor, came)
    return balance


def left(balance: Balance) -> list[int]:
    return [lot.left_minor for lot in balance.lots]


def test_the_oldest_credit_is_spent_first_and_goes_back_where_it_came_from() -> None:
    balance = filled((100, None), (50, None), (25, None))
    spent, entry = take(balance, 120, source(8))

    assert (left(spent), entry.amount_minor, entry.balance_minor) == ([0, 30, 25], -120, 55)
    back, entry = give_back(spent, entry.parts, source(9))
    assert (left(back), entry.amount_minor, back.version) == ([100, 50, 25], 120, 5)


def test_a_payment_that_bounces_takes_what_came_by_its_invoice_first() -> None:
    balance = filled((100, None), (50, None))

    assert left(take(balance, 70, source(8), first_of=UUID(int=2))[0]) == [80, 0]


def test_what_is_left_of_a_subscriptions_credit_is_forfeited_and_nothing_else() -> None:
    spent, _ = take(filled((100, 7), (50, 8), (25, 7)), 30, source(8))
    after, entry = forfeit(spent, UUID(int=7), source(9))

    assert (left(after), entry.amount_minor) == ([0, 50, 0], -95)


def test_more_than_there_is_cannot_be_taken() -> None:
    with pytest.raises(Conflict, match=r"CHF 1\.50"):
        take(filled((100, None), (50, None)), 151, source(8))


def test_a_balance_stays_an_amount_of_money() -> None:
    with pytest.raises(Conflict, match=r"10\^15"):
        deposit(filled((MINOR_LIMIT - 1, None)), 1, source(8))


# -- payments that bounce --------------------------------------------------------------------------


def bounced(of: Invoice, minor: int, back: int = 0) -> Invoice:
    payment = Payment(
        id=UUID(int=5),
        invoice_id=of.id,
        customer_id=CUSTOMER,
        amount=of.money(minor),
        method="cash",
        reference="",
        received_on=TODAY,
        recorded_at=NOW,
        recorded_by="local",
    )
    return reverse_payment(of, payment, back_minor=back, today=date(2026, 3, 1))


def test_what_is_owed_again_is_due_as_many_days_later_as_at_first() -> None:
    again = bounced(replace(paid(invoice(line(1, 1_000))), paid_at=NOW), 1_080)

    assert (again.state, again.open_minor, again.paid_at) == (InvoiceState.OPEN, 1_080, None)
    assert (again.due_date, again.settlement) == (date(2026, 3, 11), 1)


def test_a_due_date_never_comes_earlier() -> None:
    late = replace(paid(invoice(line(1, 1_000))), due_date=date(2026, 12, 31))

    assert bounced(late, 1_080).due_date == date(2026, 12, 31)


def test_an_invoice_stays_paid_when_only_its_surplus_bounces() -> None:
    overpaid = replace(paid(invoice(line(1, 1_000))), paid_minor=1_580, surplus_minor=500)
    after = bounced(overpaid, 500, back=500)

    assert (after.state, after.due_date) == (InvoiceState.PAID, overpaid.due_date)
    assert (after.paid_minor, after.surplus_minor, after.owed_minor) == (1_080, 0, 0)


# -- opening with credit, and withdrawals ----------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "state", "version", "owed"), [(500, "open", 1, 580), (1_080, "paid", 2, 0)]
)
def test_credit_lowers_what_is_open_and_never_the_total(
    used: int, state: str, version: int, owed: int
) -> None:
    opened = use_credit(invoice(line(1, 1_000)), used)

    assert (opened.state, opened.version, opened.open_minor) == (state, version, owed)
    assert (opened.total_minor, opened.vat_minor) == (1_080, 81)
    assert opened.settlement == (1 if state == "paid" else 0)


def gone(*positions: int) -> set[UUID]:
    return {UUID(int=100 + position) for position in positions}


THREE = (line(1, 1_000), line(2, 500), line(3, -600))


@pytest.mark.parametrize(
    ("positions", "kind", "rest"),
    [
        ((1, 2, 3), "void", ()),
        ((3,), "replace", (1, 2)),
        ((2,), "replace", (1, 3)),
        # What is left is a credit without what it was for, or outweighs the rest.
        ((1, 2), "void", ()),
        ((1,), "void", ()),
    ],
)
def test_an_unpaid_invoice_is_void_and_replaced_where_something_is_left_to_charge(
    positions: tuple[int, ...], kind: str, rest: tuple[int, ...]
) -> None:
    decided = decide_withdrawal(invoice(*THREE), gone(*positions))

    assert decided
    assert (decided.kind, tuple(li.position for li in decided.rest)) == (kind, rest)


@pytest.mark.parametrize(
    "touched",
    [
        {"state": InvoiceState.PAID, "paid_minor": 970},
        {"paid_minor": 1},
        {"credited_minor": 1},
    ],
    ids=str,
)
def test_what_has_money_or_a_credit_note_is_credited(touched: dict[str, Any]) -> None:
    decided = decide_withdrawal(invoice(*THREE, **touched), gone(2, 3, 1))

    assert decided
    assert (decided.kind, decided.amounts) == ("credit", {1: 1_000, 2: 500, 3: -600})


@pytest.mark.parametrize(
    ("different", "positions"),
    [
        ({}, (9,)),
        ({"state": InvoiceState.VOID}, (1,)),
        ({"state": InvoiceState.CREDITED}, (1,)),
        ({"state": InvoiceState.PAID}, (3,)),
    ],
    ids=str,
)
def test_nothing_is_done_where_there_is_nothing_to_take_back(
    different: dict[str, Any], positions: tuple[int, ...]
) -> None:
    assert decide_withdrawal(invoice(*THREE, **different), gone(*positions)) is None


def test_credit_that_paid_an_open_invoice_in_part_does_not_make_it_paid() -> None:
    decided = decide_withdrawal(use_credit(invoice(*THREE), 100), gone(1, 2, 3))

    assert decided
    assert decided.kind == "void"


def test_a_replacement_begins_anew_whatever_was_settled_and_went_back() -> None:
    bounced_once = replace(invoice(*THREE), settlement=1, version=3, credit_used_minor=5)
    new = open_replacement(
        bounced_once, THREE[:1], invoice_id=UUID(int=8), number="X", invoice_date=TODAY, now=NOW
    )

    assert (new.settlement, new.version, new.credit_used_minor) == (0, 1, 0)
    assert (new.request_id, new.total_minor, new.open_minor) == (REQUEST, 1_080, 1_080)


def test_a_request_keeps_its_other_lines_and_is_nothing_without_them() -> None:
    def asked(number: int, price: str) -> RequestedLine:
        return RequestedLine(
            subscription_id=UUID(int=100 + number),
            title="Team",
            unit_price=Decimal(price),
            basis="net",
            vat_category="standard",
            cycle="monthly",
        )

    request = InvoiceRequested(
        customer_id=CUSTOMER,
        request_id=REQUEST,
        reason="change",
        title="Team",
        currency="CHF",
        lines=(asked(1, "10.00"), asked(2, "5.00"), asked(3, "-6.00")),
        expected_total=Money(970, "CHF"),
    )

    assert without_lines(request, gone()) is request
    part = without_lines(request, gone(2))
    assert part
    assert part.lines == (request.lines[0], request.lines[2])
    assert without_lines(request, gone(1, 2)) is None
    assert without_lines(request, gone(1, 2, 3)) is None
