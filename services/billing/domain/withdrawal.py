"""What becomes of an invoice for which nobody waits any more, wholly or in part."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.billing.domain.credit import amounts_left, credit_total
from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState
from shared.invoicing import Basis, sum_up

__all__ = ["Withdrawal", "decide_withdrawal"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`rest`: the lines of the invoice that replaces a void one, `amounts`: what is credited."""

    kind: Literal["void", "replace", "credit"]
    rest: Sequence[InvoiceLine] = ()
    amounts: dict[int, int] | None = None


def decide_withdrawal(invoice: Invoice, subscription_ids: Collection[UUID]) -> Withdrawal | None:
    """Void what nobody has paid anything for, replaced by the other lines; credit the rest.

    None: there is nothing to do. Lines that alone would have a negative total replace nothing.
    """
    gone = [line for line in invoice.lines if line.subscription_id in subscription_ids]
    if not gone:
        return None
    if invoice.untouched:
        rest = [line for line in invoice.lines if line not in gone]
        if rest and _gross(rest) >= 0:
            return Withdrawal("replace", rest=rest)
        return Withdrawal("void")
    amounts = amounts_left(gone)
    if invoice.state not in {InvoiceState.OPEN, InvoiceState.PAID} or not amounts:
        return None
    return Withdrawal("credit", amounts=amounts) if credit_total(invoice, amounts) >= 0 else None


def _gross(lines: Iterable[InvoiceLine]) -> int:
    sums: dict[tuple[Decimal, Basis], int] = defaultdict(int)
    for line in lines:
        sums[line.vat_percent, line.basis] += line.total_minor
    return sum(row.gross_minor for row in sum_up(sums, rounding_minor=1)[0])
