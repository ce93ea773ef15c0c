"""Credit notes: what is taken back of an invoice's lines, and what that makes in VAT and money."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState, settled
from services.billing.domain.opening import vat_summary
from shared.errors import Conflict, InputInvalid
from shared.invoicing import Basis, VatRow, sum_up
from shared.money import Money, divide_half_up

__all__ = [
    "Cause",
    "CreditNote",
    "CreditedLine",
    "amounts_asked",
    "amounts_left",
    "amounts_requested",
    "credit",
    "credit_total",
    "shares",
]

Cause = Literal["operator", "request", "withdrawal"]


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """`amount_minor` of the invoice's line at `position`, in its basis and with its sign."""

    position: int
    amount_minor: int
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class CreditNote:
    """Amounts in minor units of the invoice's currency, positive where they lower what is owed.

    Attributes:
        cause: an operator, a `credit.requested`, or an `invoice.request_withdrawn`.
        request_id: the request that led to it, if one did.
        to_balance_minor: what of it was not owed any more.
    """

    id: UUID
    customer_id: UUID
    invoice_id: UUID
    number: str
    currency: str
    issued_on: date
    cause: Cause
    reason: str
    request_id: UUID | None
    lines: tuple[CreditedLine, ...]
    vat: tuple[Mapping[str, Any], ...]
    vat_minor: int
    rounding_minor: int
    total_minor: int
    to_balance_minor: int
    created_at: datetime
    created_by: str

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)


def amounts_left(lines: Iterable[InvoiceLine]) -> dict[int, int]:
    """Everything that can still be credited, by position."""
    return {line.position: line.left_minor for line in lines if line.left_minor}


def amounts_requested(invoice: Invoice, wanted: Iterable[tuple[int, int]]) -> dict[int, int]:
    """What a request may have of each line: as much as it wants and is left."""
    left = amounts_left(invoice.lines)
    return {
        position: min(minor, left[position])
        for position, minor in wanted
        if left.get(position, 0) > 0 and minor > 0
    }


def amounts_asked(
    invoice: Invoice, asked: Sequence[tuple[int, Money | None]] | None
) -> dict[int, int]:
    """What an operator wants credited: of some lines (None: what is left of one), or of all.

    Raises:
        InputInvalid: a line that is not there or twice, another currency, more than is left.
    """
    if asked is None:
        return amounts_left(invoice.lines)
    lines = {line.position: line for line in invoice.lines}
    amounts: dict[int, int] = {}
    for index, (position, wanted) in enumerate(asked):
        field = f"lines[{index}]"
        if position not in lines or position in amounts:
            raise InputInvalid(f"{field}.position", "must be a line of the invoice, once")
        left = invoice.money(lines[position].left_minor)
        amount = left if wanted is None else wanted
        if amount.currency != invoice.currency:
            raise InputInvalid(f"{field}.amount.currency", f"must be {invoice.currency}")
        low, high = sorted((0, left.minor))
        if not low <= amount.minor <= high or not amount.minor:
            raise InputInvalid(
                f"{field}.amount.amount",
                f"must be part of the {left.currency} {left.amount} not credited yet",
            )
        amounts[position] = amount.minor
    return amounts


def credit_total(invoice: Invoice, amounts: Mapping[int, int]) -> int:
    """What a credit note over these amounts comes to, VAT and rounding included."""
    return _worth(_with(invoice, amounts))[1] - _worth(invoice)[1]


def credit(
    invoice: Invoice,
    amounts: Mapping[int, int],
    *,
    note_id: UUID,
    number: str,
    issued_on: date,
    cause: Cause,
    reason: str,
    created_at: datetime,
    created_by: str,
    request_id: UUID | None = None,
    explanations: Mapping[int, str] | None = None,
) -> tuple[Invoice, CreditNote]:
    """Credit `amounts` of lines: it lowers what is owed, and what is above it is surplus.

    VAT and rounding are the difference between what is credited in all before and after, so
    credit notes over all of an invoice have exactly its VAT and its total.

    Raises:
        Conflict: the invoice is not open or paid, nothing is left, or the total were negative.
    """
    _refuse_what_cannot_be_credited(invoice, amounts)
    after = _with(invoice, amounts)
    (was, was_total), (now_is, now_total) = _worth(invoice), _worth(after)
    rows = _difference(was, now_is)
    total = now_total - was_total
    to_balance = max(total - invoice.owed_minor, 0)
    note = CreditNote(
        id=note_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        number=number,
        currency=invoice.currency,
        issued_on=issued_on,
        cause=cause,
        reason=reason,
        request_id=request_id,
        lines=tuple(
            CreditedLine(position, minor, (explanations or {}).get(position, ""))
            for position, minor in sorted(amounts.items())
        ),
        vat=vat_summary(rows),
        vat_minor=sum(row.vat_minor for row in rows),
        rounding_minor=total - sum(row.gross_minor for row in rows),
        total_minor=total,
        to_balance_minor=to_balance,
        created_at=created_at,
        created_by=created_by,
    )
    changed = replace(
        after,
        version=invoice.version + 1,
        credited_minor=invoice.credited_minor + total,
        surplus_minor=invoice.surplus_minor + to_balance,
    )
    return _after_credit(changed, created_at), note


def shares(invoice: Invoice, note: CreditNote) -> list[tuple[UUID | None, int]]:
    """Whose credit the surplus of a credit note is: by subscription, in proportion to its lines."""
    lines = {line.position: line for line in invoice.lines}
    weights: dict[UUID | None, int] = defaultdict(int)
    for line in note.lines:
        weights[lines[line.position].subscription_id] += max(line.amount_minor, 0)
    whole, taken, so_far, found = sum(weights.values()), 0, 0, []
    for subscription_id, weight in weights.items():
        so_far += weight
        upto = divide_half_up(note.to_balance_minor * so_far, whole) if whole else 0
        if upto > taken:
            found.append((subscription_id, upto - taken))
        taken = upto
    return found


def _refuse_what_cannot_be_credited(invoice: Invoice, amounts: Mapping[int, int]) -> None:
    if invoice.state not in {InvoiceState.OPEN, InvoiceState.PAID}:
        raise Conflict(
            f"invoice_{invoice.state}",
            f"Invoice {invoice.number} is {invoice.state}; nothing of it can be credited.",
        )
    if not amounts:
        raise Conflict("nothing_to_credit", f"Invoice {invoice.number} is credited already.")
    if credit_total(invoice, amounts) < 0:
        raise Conflict("credit_negative", "A credit note must not have a negative total.")


def _with(invoice: Invoice, amounts: Mapping[int, int]) -> Invoice:
    lines = tuple(
        replace(line, credited_minor=line.credited_minor + amounts.get(line.position, 0))
        for line in invoice.lines
    )
    return replace(invoice, lines=lines)


def _worth(invoice: Invoice) -> tuple[tuple[VatRow, ...], int]:
    """What is credited of an invoice in all: VAT rows, and the total rounded as the invoice is."""
    sums: dict[tuple[Decimal, Basis], int] = defaultdict(int)
    for line in invoice.lines:
        sums[line.vat_percent, line.basis] += line.credited_minor
    rounding = invoice.seller["rounding_minor"].get(invoice.currency, 1)
    return sum_up(sums, rounding_minor=rounding)


def _difference(before: Sequence[VatRow], after: Sequence[VatRow]) -> list[VatRow]:
    """Row by row: both have the same rates, those of the invoice."""
    rows = [
        VatRow(
            now.rate,
            now.basis,
            now.net_minor - was.net_minor,
            now.vat_minor - was.vat_minor,
            now.gross_minor - was.gross_minor,
        )
        for was, now in zip(before, after, strict=True)
    ]
    return [row for row in rows if row.gross_minor or row.net_minor]


def _after_credit(invoice: Invoice, at: datetime) -> Invoice:
    """Credited when nothing is left to credit, otherwise paid when nothing is owed any more."""
    if invoice.owed_minor:
        return invoice
    if invoice.fully_credited:
        return replace(invoice, state=InvoiceState.CREDITED)
    return settled(invoice, at) if invoice.state is InvoiceState.OPEN else invoice
