"""Rows of the files that a spreadsheet or a bookkeeper's program reads."""

from decimal import Decimal

from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice
from services.billing.domain.journal import Booking
from shared.money import Money
from shared.spreadsheet import Cell

__all__ = ["INVOICE_COLUMNS", "JOURNAL_COLUMNS", "booking_cells", "invoice_cells"]

INVOICE_COLUMNS = (
    "number",
    "state",
    "title",
    "customer_number",
    "customer_name",
    "invoice_date",
    "due_date",
    "currency",
    "net",
    "vat",
    "rounding",
    "total",
    "credited",
    "credit_used",
    "paid",
    "surplus",
    "open",
    "id",
    "customer_id",
)


def invoice_cells(bill: Invoice | Draft) -> list[Cell]:
    """Amounts as plain decimals; `net` + `vat` + `rounding` is `total`."""
    invoice = bill if isinstance(bill, Invoice) else None
    net = bill.total_minor - bill.vat_minor - bill.rounding_minor
    settled = ("credited", "credit_used", "paid", "surplus", "open")
    amounts = (
        net,
        bill.vat_minor,
        bill.rounding_minor,
        bill.total_minor,
        *(getattr(bill, f"{name}_minor", 0) for name in settled),
    )
    days = (invoice.invoice_date if invoice else None, bill.due_date)
    return [
        invoice.number if invoice else "",
        str(bill.state),
        bill.title,
        bill.buyer.get("number") or "",
        bill.buyer.get("company_name") or bill.buyer.get("contact_name") or "",
        *(str(day) if day else "" for day in days),
        bill.currency,
        *(Decimal(bill.money(minor).amount) for minor in amounts),
        str(bill.id),
        str(bill.customer_id),
    ]


JOURNAL_COLUMNS = (
    "date",
    "kind",
    "number",
    "invoice_number",
    "customer_number",
    "account",
    "vat_code",
    "vat_percent",
    "net",
    "vat",
    "gross",
    "currency",
    "value_date",
    "text",
)


def booking_cells(booking: Booking) -> list[Cell]:
    amounts = (booking.net_minor, booking.vat_minor, booking.gross_minor)
    return [
        str(booking.day),
        booking.kind,
        booking.number,
        booking.invoice_number,
        booking.customer_number,
        booking.account,
        booking.vat_code,
        booking.vat_percent,
        *(
            "" if minor is None else Decimal(Money(minor, booking.currency).amount)
            for minor in amounts
        ),
        booking.currency,
        str(booking.value_date or ""),
        booking.text,
    ]
