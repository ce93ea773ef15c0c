"""Drafts: what an operator writes, priced by today's facts until it is finalised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.billing.domain.amending import refuse_unless_untouched
from services.billing.domain.invoice import Bill, Invoice, InvoiceLine, InvoiceState
from services.billing.domain.opening import seller_snapshot, vat_summary
from shared.errors import Conflict, InputInvalid, NotFound
from shared.events.billing import SettingsChanged
from shared.invoicing import Basis, InvoicingError
from shared.periods import Period
from shared.quotes import Buyer, Seller, quote

__all__ = [
    "Change",
    "Draft",
    "correction_of",
    "finalize",
    "priced",
    "refuse_past_due_date",
    "with_line",
    "with_line_changed",
    "with_lines",
    "with_order",
    "without_line",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Bill):
    """Not numbered, and seen by operators only. Of seller and buyer it has the latest.

    Attributes:
        due_date: None: so many days after it is finalised as the seller's settings say.
    """

    due_date: date | None = None

    @property
    def state(self) -> InvoiceState:
        return InvoiceState.DRAFT


Change = Callable[[Draft], Draft]
"""What an edit does to a draft; what it comes to is computed after it."""


def priced(
    draft: Draft, customer: Mapping[str, Any], settings: SettingsChanged, today: date
) -> Draft:
    """The draft with what it comes to today; it may be empty, and its total negative.

    Raises:
        InputInvalid: a line is outside its limits or has no VAT rate.
    """
    try:
        quoted = quote(
            [_item(line) for line in draft.lines],
            draft.currency,
            seller=Seller.of(settings),
            buyer=Buyer(customer["country"], bool(customer["company_name"]), customer["vat_id"]),
            on=today,
            treatment=draft.tax_treatment if draft.tax_treatment_reason else None,
            draft=True,
        )
    except InvoicingError as error:
        raise InputInvalid(error.field, error.rule) from error
    totals = quoted.totals
    rows = zip(draft.lines, quoted.vat_percents, totals.line_totals_minor, strict=True)
    return replace(
        draft,
        tax_treatment=quoted.treatment,
        subtotal_minor=totals.subtotal_minor,
        vat_minor=totals.vat_minor,
        rounding_minor=totals.rounding_minor,
        total_minor=totals.total_minor,
        vat=vat_summary(totals.vat),
        seller=seller_snapshot(settings),
        buyer={**customer, **(draft.addressee or {})},
        lines=tuple(
            replace(line, position=position, vat_percent=percent, total_minor=total_minor)
            for position, (line, percent, total_minor) in enumerate(rows, 1)
        ),
    )


def refuse_past_due_date(before: Draft, after: Draft, today: date) -> None:
    """Refuse to set a due date that has passed; one that has passed since is no obstacle to edits.

    Raises:
        InputInvalid: that is so.
    """
    due_date = after.due_date
    if due_date and due_date != before.due_date and due_date < today:
        raise InputInvalid("due_date", f"must not be before {today}, the earliest invoice date")


@dataclass(frozen=True, slots=True)
class _Item:
    quantity: Decimal
    unit_price: Decimal
    basis: Basis
    discount_percent: Decimal
    vat_category: str
    vat_percent: Decimal | None
    period: Period | None


def _item(line: InvoiceLine) -> _Item:
    """A line to be priced: what takes back the value of a booking keeps the rate it was sold at."""
    return _Item(
        line.quantity,
        line.unit_price,
        line.basis,
        line.discount_percent,
        line.vat_category,
        line.vat_percent if line.subscription_id else None,
        line.period,
    )


# -- edits of lines -----------------------------------------------------------------------------


def with_lines(
    draft: Draft, lines: Sequence[tuple[int | None, InvoiceLine]]
) -> tuple[InvoiceLine, ...]:
    """New lines; one with the position of an old one takes its place and stays its booking's.

    Raises:
        InputInvalid: there is no such line, it is named twice, or its period would change.
    """
    old = {line.position: line for line in draft.lines}
    found = []
    for index, (position, line) in enumerate(lines):
        if position is None:
            found.append(line)
        elif position in old:
            found.append(_in_place_of(old.pop(position), line, f"lines[{index}]."))
        else:
            raise InputInvalid(f"lines[{index}].position", "must be a line of the draft, once")
    return tuple(found)


def with_line(draft: Draft, line: InvoiceLine) -> Draft:
    return replace(draft, lines=(*draft.lines, line))


def with_line_changed(draft: Draft, position: int, changes: Mapping[str, Any]) -> Draft:
    """Change fields of a line.

    Raises:
        NotFound: there is no such line.
        InputInvalid: the period of a booking would change.
    """
    old = _line_at(draft, position)
    changed = _in_place_of(old, replace(old, **changes))
    lines = tuple(changed if line is old else line for line in draft.lines)
    return replace(draft, lines=lines)


def without_line(draft: Draft, position: int) -> Draft:
    """Take a line away; those after it move up.

    Raises:
        NotFound: there is no such line.
    """
    gone = _line_at(draft, position)
    return replace(draft, lines=tuple(line for line in draft.lines if line is not gone))


def with_order(draft: Draft, positions: Sequence[int]) -> Draft:
    """Put the lines in another order.

    Raises:
        InputInvalid: not each line is named once.
    """
    lines = {line.position: line for line in draft.lines}
    if sorted(positions) != sorted(lines):
        raise InputInvalid("positions", f"must name each of the {len(lines)} lines once")
    return replace(draft, lines=tuple(lines[position] for position in positions))


def _line_at(draft: Draft, position: int) -> InvoiceLine:
    for line in draft.lines:
        if line.position == position:
            return line
    raise NotFound("line", position)


def _in_place_of(old: InvoiceLine, new: InvoiceLine, path: str = "") -> InvoiceLine:
    if old.subscription_id and new.period not in {None, old.period}:
        raise InputInvalid(f"{path}period", "is that of the booking, and stays")
    amount = old.quantity, old.unit_price, old.discount_percent
    same = amount == (new.quantity, new.unit_price, new.discount_percent)
    return replace(
        new,
        subscription_id=old.subscription_id,
        request_id=old.request_id,
        cycle=old.cycle,
        period=old.period if old.subscription_id else new.period,
        vat_percent=old.vat_percent,
        # It says how the amount came about: of another amount that would be wrong.
        explanation=old.explanation if same else "",
    )


# -- becoming an invoice ------------------------------------------------------------------------


def finalize(
    draft: Draft, *, request_id: UUID | None, number: str, invoice_date: date, now: datetime
) -> Invoice:
    """Make a draft that was priced today an open invoice, owed until the balance had its say.

    Raises:
        Conflict: it has no lines, a negative total, or a due date before the invoice's own.
    """
    if not draft.lines:
        raise Conflict("draft_empty", "An invoice needs at least one line.")
    if draft.total_minor < 0:
        total = draft.money(draft.total_minor)
        raise Conflict(
            "total_negative",
            f"The total is {total.currency} {total.amount}; that of an invoice must not be "
            "negative. To give money back, credit the invoice that charged it.",
        )
    due_date = draft.due_date or invoice_date + timedelta(days=draft.seller["due_days"])
    if due_date < invoice_date:
        raise Conflict(
            "due_date_passed",
            f"It would be due on {due_date}, before its own date {invoice_date}; change that.",
        )
    common = {field.name: getattr(draft, field.name) for field in fields(Bill)}
    return Invoice(
        **{
            **common,
            "title": draft.title or draft.lines[0].title,
            "version": draft.version + 1,
        },
        request_id=request_id,
        number=number,
        state=InvoiceState.OPEN,
        invoice_date=invoice_date,
        due_date=due_date,
        opened_at=now,
    )


def correction_of(invoice: Invoice, *, draft_id: UUID, today: date) -> Draft:
    """A draft with what an unpaid invoice says, to take its place once it is finalised.

    Raises:
        Conflict: the invoice is not open, or has payments or credit notes.
    """
    refuse_unless_untouched(invoice)
    common = {field.name: getattr(invoice, field.name) for field in fields(Bill)}
    return Draft(
        **{
            **common,
            "id": draft_id,
            "version": 1,
            "corrects": invoice.id,
            "created_at": None,
        },
        due_date=invoice.due_date if invoice.due_date >= today else None,
    )
