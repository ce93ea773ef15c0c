"""From what is asked for to a finalised invoice."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState, settled
from shared.events.billing import SettingsChanged
from shared.events.subscriptions import InvoiceRequested
from shared.invoicing import InvoicingError, Line, VatRow, price_invoice
from shared.money import Money
from shared.periods import Period
from shared.quotes import Buyer, Quote, Seller, quote

__all__ = [
    "AmountChanged",
    "open_replacement",
    "open_requested",
    "quote_request",
    "seller_snapshot",
    "use_credit",
    "vat_summary",
    "without_lines",
]


class AmountChanged(Exception):
    """The request expects a total that its lines no longer have."""


def without_lines(
    request: InvoiceRequested, subscription_ids: Collection[UUID]
) -> InvoiceRequested | None:
    """What is left of a request when nobody waits for these subscriptions any more.

    None when that is nothing, or only credits, which are not invoiced alone.
    """
    if not subscription_ids:
        return request
    rest = tuple(line for line in request.lines if line.subscription_id not in subscription_ids)
    if all(line.unit_price < 0 for line in rest):
        return None
    return request.model_copy(update={"lines": rest})


def quote_request(
    request: InvoiceRequested,
    customer: Mapping[str, Any],
    settings: SettingsChanged,
    on: date,
    *,
    reduced: bool = False,
) -> Quote:
    """Price what was requested; when it is `reduced`, the total that was shown is none any more.

    Raises:
        InvoicingError: a line is outside its limits or has no VAT rate, or the customer was erased.
        AmountChanged: the total is not the one that was shown.
    """
    if customer.get("status") == "erased":
        raise InvoicingError("customer_id", "was erased")
    priced = quote(
        request.lines,
        request.currency,
        seller=Seller.of(settings),
        buyer=Buyer(customer["country"], bool(customer["company_name"]), customer["vat_id"]),
        on=on,
    )
    total = Money(priced.totals.total_minor, request.currency)
    if total != request.expected_total and not reduced:
        expected = request.expected_total
        raise AmountChanged(
            f"expected {expected.currency} {expected.amount}, "
            f"but the total is {total.currency} {total.amount}"
        )
    return priced


def open_requested(
    request: InvoiceRequested,
    priced: Quote,
    customer: Mapping[str, Any],
    settings: SettingsChanged,
    *,
    invoice_id: UUID,
    number: str,
    invoice_date: date,
    now: datetime,
) -> Invoice:
    """Finalise a request: numbered and immutable, owed until `use_credit` has had its say."""
    totals = priced.totals
    return Invoice(
        id=invoice_id,
        customer_id=request.customer_id,
        request_id=request.request_id,
        number=number,
        state=InvoiceState.OPEN,
        version=1,
        title=request.title,
        currency=request.currency,
        language=customer["language"],
        invoice_date=invoice_date,
        due_date=invoice_date + timedelta(days=settings.due_days),
        tax_treatment=priced.treatment,
        subtotal_minor=totals.subtotal_minor,
        vat_minor=totals.vat_minor,
        rounding_minor=totals.rounding_minor,
        total_minor=totals.total_minor,
        vat=vat_summary(totals.vat),
        seller=seller_snapshot(settings),
        buyer=customer,
        lines=tuple(
            InvoiceLine(
                position=position,
                title=line.title,
                description=line.description,
                explanation=line.explanation,
                quantity=line.quantity,
                unit=line.unit,
                unit_price=line.unit_price,
                basis=line.basis,
                discount_percent=line.discount_percent,
                vat_category=line.vat_category,
                vat_percent=percent,
                total_minor=total_minor,
                subscription_id=line.subscription_id,
                request_id=request.request_id,
                cycle=line.cycle,
                period=Period(line.period.start, line.period.end) if line.period else None,
            )
            for position, (line, percent, total_minor) in enumerate(
                zip(request.lines, priced.vat_percents, totals.line_totals_minor, strict=True), 1
            )
        ),
        opened_at=now,
    )


def open_replacement(
    invoice: Invoice,
    lines: Sequence[InvoiceLine],
    *,
    invoice_id: UUID,
    number: str,
    invoice_date: date,
    now: datetime,
) -> Invoice:
    """Finalise an invoice with some lines of another, for the same buyer and at the same rates.

    Raises:
        InvoicingError: these lines alone have a negative total.
    """
    due_date = invoice_date + timedelta(days=invoice.seller["due_days"])
    totals = price_invoice(
        [
            Line(
                quantity=line.quantity,
                unit_price=line.unit_price,
                basis=line.basis,
                discount_percent=line.discount_percent,
                vat_rate=line.vat_percent,
            )
            for line in lines
        ],
        invoice.currency,
        rounding_minor=invoice.seller["rounding_minor"].get(invoice.currency, 1),
    )
    return replace(
        invoice,
        id=invoice_id,
        number=number,
        state=InvoiceState.OPEN,
        version=1,
        invoice_date=invoice_date,
        due_date=max(due_date, invoice.due_date),
        subtotal_minor=totals.subtotal_minor,
        vat_minor=totals.vat_minor,
        rounding_minor=totals.rounding_minor,
        total_minor=totals.total_minor,
        vat=vat_summary(totals.vat),
        lines=tuple(replace(line, position=at) for at, line in enumerate(lines, 1)),
        opened_at=now,
        created_at=None,
        credit_used_minor=0,
        settlement=0,
    )


def use_credit(invoice: Invoice, minor: int) -> Invoice:
    """Let the balance pay `minor` of a new invoice; paid at once when nothing is left to pay."""
    used = replace(invoice, credit_used_minor=minor)
    if used.open_minor:
        return used
    return settled(replace(used, version=used.version + 1), invoice.opened_at)


def seller_snapshot(settings: SettingsChanged) -> dict[str, Any]:
    """What an invoice keeps of the seller: all but what is in its lines already."""
    return settings.model_dump(mode="json", exclude={"vat_rates", "customer_id"})


def vat_summary(rows: Iterable[VatRow]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "percent": format(row.rate, "f"),
            "basis": row.basis,
            "net_minor": row.net_minor,
            "vat_minor": row.vat_minor,
            "gross_minor": row.gross_minor,
        }
        for row in rows
    )
