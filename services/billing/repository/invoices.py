"""Invoices with their lines, and their numbers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.billing import tables as t
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState
from services.billing.domain.lists import title_id, title_keys
from services.billing.domain.numbering import Series
from shared.database import Seen, Tx, insert_rows, update_rows
from shared.periods import Period

__all__ = [
    "add_invoices",
    "add_titles",
    "bill_row",
    "final_row",
    "finalised",
    "get_bill",
    "get_invoices",
    "get_number",
    "line_row",
    "lock_invoices",
    "lock_invoices_of_requests",
    "save_invoices",
    "take_numbers",
    "with_lines",
]

_TAKE = text(
    "INSERT INTO number_series AS s (series, year, next_number, last_date) "
    "VALUES (:series, :year, :count + CASE WHEN EXISTS (SELECT FROM number_series o "
    "WHERE o.series = :series) THEN 1 ELSE CAST(:start AS bigint) END, :today) "
    "ON CONFLICT (series, year) DO UPDATE SET "
    "next_number = s.next_number + :count, last_date = greatest(s.last_date, excluded.last_date) "
    "RETURNING next_number - :count AS first, last_date"
)

_INVOICES = (
    "SELECT * FROM invoices WHERE id = ANY($1) AND ($2::uuid[] IS NULL OR customer_id = ANY($2)) "
    "AND state <> 'draft'"
)
# To whoever is restricted to certain customers, their drafts do not exist.
_BILL = (
    "SELECT * FROM invoices WHERE id = $1 "
    "AND ($2::uuid[] IS NULL OR (customer_id = ANY($2) AND state <> 'draft'))"
)
# All rows are found, and so all customers locked, before the first invoice is.
_LOCK = (
    "WITH locked AS MATERIALIZED (SELECT id FROM customers WHERE id IN "
    "(SELECT customer_id FROM invoices WHERE id = ANY($1)) ORDER BY id FOR UPDATE) "
    "SELECT i.* FROM invoices i JOIN locked ON locked.id = i.customer_id "
    "WHERE i.id = ANY($1) AND ($2::uuid[] IS NULL OR customer_id = ANY($2)) "
    "AND i.state <> 'draft' ORDER BY i.id FOR UPDATE OF i"
)


async def take_numbers(tx: Tx, series: Series, today: date, count: int) -> tuple[int, date]:
    """Take `count` numbers in a row; returns the first and the invoice date to use.

    The row stays locked until the transaction ends, so numbers are gapless: a rollback gives
    them back before anybody else can take any. The date never lies before the last one given,
    so numbers and dates have the same order even for who waited over midnight for the lock.
    """
    row = (
        await tx.execute(
            _TAKE,
            {
                "series": series.prefix,
                "year": series.year_of(today),
                "start": series.start,
                "count": count,
                "today": today,
            },
        )
    ).one()
    return row.first, row.last_date


async def add_invoices(tx: Tx, invoices: Sequence[Invoice]) -> None:
    await insert_rows(
        tx,
        t.invoices,
        [{**final_row(i), "created_at": i.created_at or i.opened_at} for i in invoices],
    )
    await add_titles(tx, {invoice.title for invoice in invoices})
    await insert_rows(
        tx,
        t.invoice_lines,
        [line_row(invoice.id, line) for invoice in invoices for line in invoice.lines],
    )


async def add_titles(tx: Tx, titles: Iterable[str]) -> None:
    """Remember titles of invoices, so that they are found by them.

    In order: two who add the same ones wait for each other, and not both.
    """
    await insert_rows(
        tx,
        t.invoice_titles,
        [_title_row(title) for title in sorted(titles)],
        on_conflict="ON CONFLICT DO NOTHING",
    )


@lru_cache(maxsize=1_000)
def _title_row(title: str) -> Mapping[str, Any]:
    return {"id": title_id(title), "title": title, "keys": title_keys(title)}


def bill_row(bill: Invoice | Draft) -> dict[str, Any]:
    """The columns that drafts and invoices have in common."""
    return {
        "id": bill.id,
        "customer_id": bill.customer_id,
        "state": str(bill.state),
        "version": bill.version,
        "title": bill.title,
        "currency": bill.currency,
        "language": bill.language,
        "due_date": bill.due_date,
        "tax_treatment": bill.tax_treatment,
        "subtotal_minor": bill.subtotal_minor,
        "vat_minor": bill.vat_minor,
        "rounding_minor": bill.rounding_minor,
        "total_minor": bill.total_minor,
        "vat": [dict(row) for row in bill.vat],
        "seller": dict(bill.seller),
        "buyer": dict(bill.buyer),
    }


def final_row(invoice: Invoice) -> dict[str, Any]:
    """Everything that is written when an invoice is opened."""
    return {
        **bill_row(invoice),
        "request_id": invoice.request_id,
        "number": invoice.number,
        "invoice_date": invoice.invoice_date,
        "paid_minor": invoice.paid_minor,
        "credited_minor": invoice.credited_minor,
        "credit_used_minor": invoice.credit_used_minor,
        "surplus_minor": invoice.surplus_minor,
        "settlement": invoice.settlement,
        "opened_at": invoice.opened_at,
        "paid_at": invoice.paid_at,
    }


def line_row(invoice_id: UUID, line: InvoiceLine) -> dict[str, Any]:
    return {
        "invoice_id": invoice_id,
        "position": line.position,
        "title": line.title,
        "description": line.description,
        "explanation": line.explanation,
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price": line.unit_price,
        "basis": line.basis,
        "discount_percent": line.discount_percent,
        "vat_category": line.vat_category,
        "vat_percent": line.vat_percent,
        "total_minor": line.total_minor,
        "subscription_id": line.subscription_id,
        "request_id": line.request_id,
        "cycle": line.cycle,
        "period_start": line.period.start if line.period else None,
        "period_end": line.period.end if line.period else None,
        "credited_minor": line.credited_minor,
    }


def _bill(row: Any, lines: Iterable[Any]) -> Invoice | Draft:
    common = {
        "id": row.id,
        "customer_id": row.customer_id,
        "version": row.version,
        "title": row.title,
        "currency": row.currency,
        "language": row.language,
        "due_date": row.due_date,
        "tax_treatment": row.tax_treatment,
        "tax_treatment_reason": row.tax_treatment_reason,
        "subtotal_minor": row.subtotal_minor,
        "vat_minor": row.vat_minor,
        "rounding_minor": row.rounding_minor,
        "total_minor": row.total_minor,
        "vat": tuple(row.vat),
        "seller": row.seller,
        "buyer": row.buyer,
        "addressee": row.addressee,
        "lines": tuple(_line(line) for line in lines),
        "corrects": row.corrects,
        "created_at": row.created_at,
    }
    if row.state == InvoiceState.DRAFT:
        return Draft(**common)
    return Invoice(
        **common,
        request_id=row.request_id,
        number=row.number,
        state=InvoiceState(row.state),
        invoice_date=row.invoice_date,
        opened_at=row.opened_at,
        paid_minor=row.paid_minor,
        credited_minor=row.credited_minor,
        credit_used_minor=row.credit_used_minor,
        surplus_minor=row.surplus_minor,
        settlement=row.settlement,
        paid_at=row.paid_at,
        voided_at=row.voided_at,
        void_reason=row.void_reason,
        replaced_by=row.replaced_by,
        hidden=row.hidden,
        mails=tuple(row.mails or ()),
        downloaded_at=row.downloaded_at,
    )


def _line(row: Any) -> InvoiceLine:
    return InvoiceLine(
        position=row.position,
        title=row.title,
        description=row.description,
        explanation=row.explanation,
        quantity=row.quantity,
        unit=row.unit,
        unit_price=row.unit_price,
        basis=row.basis,
        discount_percent=row.discount_percent,
        vat_category=row.vat_category,
        vat_percent=row.vat_percent,
        total_minor=row.total_minor,
        subscription_id=row.subscription_id,
        request_id=row.request_id,
        cycle=row.cycle,
        period=Period(row.period_start, row.period_end) if row.period_start else None,
        credited_minor=row.credited_minor,
    )


async def with_lines(tx: Tx, rows: Sequence[Any]) -> list[Invoice | Draft]:
    lines = defaultdict(list)
    query = "SELECT * FROM invoice_lines WHERE invoice_id = ANY($1) ORDER BY invoice_id, position"
    for line in await tx.fetch(query, [row.id for row in rows]):
        lines[line.invoice_id].append(line)
    return [_bill(row, lines[row.id]) for row in rows]


async def finalised(tx: Tx, rows: Sequence[Any]) -> list[Invoice]:
    return [bill for bill in await with_lines(tx, rows) if isinstance(bill, Invoice)]


async def get_bill(tx: Tx, invoice_id: UUID, *, seen: Seen = None) -> Invoice | Draft | None:
    """An invoice or a draft; to callers for certain customers there are no drafts."""
    found = await with_lines(tx, await tx.fetch(_BILL, invoice_id, seen))
    return found[0] if found else None


async def get_invoices(tx: Tx, ids: Iterable[UUID], *, seen: Seen = None) -> list[Invoice]:
    """Those that are finalised."""
    return await finalised(tx, await tx.fetch(_INVOICES, list(ids), seen))


async def lock_invoices(tx: Tx, ids: Iterable[UUID], *, seen: Seen = None) -> dict[UUID, Invoice]:
    """Lock first the customers of invoices and then these, each ordered by id."""
    rows = await tx.fetch(_LOCK, list(ids), seen)
    return {invoice.id: invoice for invoice in await finalised(tx, rows)}


async def save_invoices(tx: Tx, invoices: Iterable[Invoice]) -> None:
    """Write what may change of a finalised invoice: its state and what was settled."""
    await update_rows(
        tx,
        t.invoices,
        [
            {
                "id": invoice.id,
                "state": str(invoice.state),
                "version": invoice.version,
                "due_date": invoice.due_date,
                "paid_minor": invoice.paid_minor,
                "credited_minor": invoice.credited_minor,
                "surplus_minor": invoice.surplus_minor,
                "settlement": invoice.settlement,
                "paid_at": invoice.paid_at,
                "voided_at": invoice.voided_at,
                "void_reason": invoice.void_reason,
                "hidden": invoice.hidden,
                "replaced_by": invoice.replaced_by,
            }
            for invoice in invoices
        ],
    )


async def lock_invoices_of_requests(
    tx: Tx, request_ids: Iterable[UUID]
) -> dict[UUID | None, Invoice]:
    """The invoices that requests have become; their customers are locked already."""
    query = (
        "SELECT * FROM invoices WHERE request_id = ANY($1) AND replaced_by IS NULL "
        "ORDER BY id FOR UPDATE"
    )
    rows = await tx.fetch(query, list(request_ids))
    return {invoice.request_id: invoice for invoice in await finalised(tx, rows)}


async def get_number(tx: Tx, invoice_id: UUID) -> str:
    (row,) = await tx.fetch("SELECT number FROM invoices WHERE id = $1", invoice_id)
    number: str = row.number
    return number
