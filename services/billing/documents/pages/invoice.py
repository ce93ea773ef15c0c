"""An invoice: as it was opened, as a draft, or as a copy that says what has become of it."""

from typing import Any

from services.billing.documents.model import DocumentLine, InvoiceDocument, Stamp
from services.billing.documents.pages.parts import (
    Fact,
    Page,
    Row,
    added_rows,
    amount_heading,
    both_bases,
    item,
    page,
    style_of,
    vat_rows,
    whole,
)
from services.billing.documents.style import Style

__all__ = ["invoice_page"]


def invoice_page(document: InvoiceDocument) -> Page:
    style = style_of(document)
    words, stamp = style.words, document.stamp
    void = stamp is not None and stamp.state == "void"
    draft = document.invoice_date is None
    asked = bool(document.open_minor) and stamp is None
    heading = amount_heading(document.lines, document.currency, style)
    return page(
        document,
        style,
        name=f"{words.invoice} ({words.draft})" if draft else words.invoice,
        number=document.number,
        title=document.title,
        lead=[document.billing_note] if document.billing_note else [],
        stamp=f"{_state(stamp, style)} · {style.date(stamp.on)}" if stamp else None,
        watermark=words.draft if draft else words.void if void else None,
        facts=_facts(document, style, asked=asked),
        headings=[words.item, words.quantity, words.price, words.vat, heading],
        lines=[
            item(
                line,
                style,
                mark_gross=both_bases(document.lines),
                cells=_cells(line, document.currency, style),
            )
            for line in document.lines
        ],
        sums=_sums(document, style),
        tone="void" if void else "plain" if document.open_minor else "settled",
        result=_result(document, style),
        contained=vat_rows(document, style, "gross"),
        aside=_payment(document, style) if asked and not draft else _payments(document, style),
        notes=[note for note in (document.tax_note, document.payment_terms) if note],
    )


def _state(stamp: Stamp, style: Style) -> str:
    words = style.words
    return {"paid": words.paid, "credited": words.credited, "void": words.void}[stamp.state]


def _facts(document: InvoiceDocument, style: Style, *, asked: bool) -> list[Fact]:
    words = style.words
    facts = [(words.invoice, document.number or words.draft, False)]
    if document.invoice_date:
        facts.append((words.invoice_date, style.date(document.invoice_date), False))
    # A due date on a settled invoice would only raise the question whether to pay.
    if document.due_date and asked:
        facts.append((words.due_date, style.date(document.due_date), True))
    return [*facts, (words.customer_number, document.customer_number, False)]


def _cells(line: DocumentLine, currency: str, style: Style) -> list[str]:
    return [
        f"{style.number(line.quantity)} {line.unit or ''}".rstrip(),
        style.price(line.unit_price, currency),
        style.percent(line.vat_percent),
        style.amount(line.total_minor, currency),
    ]


def _sums(document: InvoiceDocument, style: Style) -> list[Row]:
    """List the rows that lead from the lines to the amount to pay; no row says nothing new."""
    words = style.words

    def row(label: str, minor: int) -> Row:
        return label, style.amount(minor, document.currency)

    added = added_rows(document, style)
    used = []
    if document.credit_used_minor:
        used.append(row(words.credit_used, -document.credit_used_minor))
    used += [row(f"{words.credit_note} {number}", -minor) for number, minor in document.credited]
    if document.paid_minor:
        used.append(row(words.already_paid, -document.paid_minor))
    if document.surplus_minor:
        used.append(row(words.to_balance, document.surplus_minor))
    return [
        *([row(words.subtotal, document.subtotal_minor), *added] if added else []),
        *([row(words.total, document.total_minor), *used] if used else []),
    ]


def _result(document: InvoiceDocument, style: Style) -> Row:
    words, stamp = style.words, document.stamp
    if stamp and stamp.state == "void":
        return words.void, whole(document.currency, document.total_minor, style)
    if not document.open_minor and document.total_minor:
        return _state(stamp, style) if stamp else words.paid, words.nothing_to_pay
    label = words.to_pay if document.open_minor else words.nothing_to_pay
    return label, whole(document.currency, document.open_minor, style)


def _payment(document: InvoiceDocument, style: Style) -> dict[str, Any]:
    words, iban = style.words, document.seller.iban
    account = [("IBAN", _grouped(iban)), (words.recipient, document.seller.name)] if iban else []
    until = style.date(document.due_date) if document.due_date else ""
    return {
        "heading": words.payable_by.format(until),
        "rows": [*account, (words.reference, document.number)],
    }


def _payments(document: InvoiceDocument, style: Style) -> dict[str, Any] | None:
    if not document.payments:
        return None
    words = style.words
    methods = {"bank_transfer": words.bank_transfer, "card": words.card, "cash": words.cash}
    rows = []
    for payment in document.payments:
        method = methods.get(payment.method, words.other)
        amount = whole(document.currency, payment.amount_minor, style)
        rows.append((style.date(payment.received_on), f"{method} · {amount}"))
    return {"heading": words.payments, "rows": rows}


def _grouped(iban: str) -> str:
    """Write an IBAN in groups of four, as ISO 13616 prints it."""
    compact = "".join(iban.split())
    groups = [compact[start : start + 4] for start in range(0, len(compact), 4)]
    return "\N{NO-BREAK SPACE}".join(groups)
