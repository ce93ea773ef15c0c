"""One customer whose life goes on by pure decisions, with a billing that only keeps its word."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.decisions import due, outcomes
from services.subscriptions.domain.decisions.outcomes import Found
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.pricing import price_lines
from services.subscriptions.domain.subscription import Subscription
from shared.events.billing import (
    InvoiceCredited,
    InvoicedLine,
    InvoicePaid,
    InvoicePaymentReversed,
    InvoiceRejected,
    InvoiceVoided,
)
from shared.events.subscriptions import (
    CreditRequested,
    InvoiceRequested,
    InvoiceRequestWithdrawn,
)
from shared.money import Money
from tests.unit.books import NOW, applied, book, new_ids

__all__ = ["DUE", "Invoice", "World"]

DUE: tuple[due.Due, ...] = (
    due.remind_of_trial_end,
    due.apply_scheduled_changes,
    due.end_trials,
    due.end_canceled,
    due.lapse_offers,
)
"""In the order of the clock's rounds."""


@dataclass
class Invoice:
    """`open`: not let go of by anybody; `gone`: void or credited, so that it can not be paid."""

    id: UUID
    request: InvoiceRequested
    lines: tuple[InvoicedLine, ...]
    total: Money
    version: int = 1
    settled: int = 0
    paid: bool = False
    open: bool = True
    gone: bool = False


@dataclass
class World:
    """What is decided here is saved, and what it asks of billing is heard there at once.

    Attributes:
        invoices: by the request that they are made from; the newest where one was replaced.
        credited: what was given back of each line; `charged`: what it came to.
        heard: told of each saved decision.
        due: told of each invoice that is opened, also in the place of another: its request and when
            it is due.
    """

    book: Book = field(default_factory=book)
    now: datetime = NOW
    ids: Any = field(default_factory=new_ids)
    invoices: dict[UUID, Invoice] = field(default_factory=dict)
    requested: dict[UUID, InvoiceRequested] = field(default_factory=dict)
    offers: dict[tuple[UUID, UUID], Offer] = field(default_factory=dict)
    credited: Counter[tuple[UUID, int]] = field(default_factory=Counter)
    charged: dict[tuple[UUID, int], int] = field(default_factory=dict)
    heard: list[Callable[[Draft], None]] = field(default_factory=list)
    due: list[Callable[[UUID, date], None]] = field(default_factory=list)

    def draft(self) -> Draft:
        return Draft(self.book, now=self.now, new_id=self.ids)

    def save(self, made: Draft) -> Draft:
        for event in made.events():
            if isinstance(event, InvoiceRequested):
                self.requested[event.request_id] = event
            elif isinstance(event, CreditRequested):
                for line in event.lines:
                    self.credited[event.invoice_id, line.position] += line.amount.minor
        self.offers |= made.saved_offers
        self.book = self._newest(applied(made))
        for listener in self.heard:
            listener(made)
        for event in made.events():
            if isinstance(event, InvoiceRequestWithdrawn):
                self._withdraw(event)
        return made

    def _newest(self, saved: Book) -> Book:
        """Of each product one subscription, chosen as the query of books does."""
        chosen: dict[UUID, Subscription] = {}
        for own in sorted(saved.subscriptions, key=lambda s: (s.live, s.id in saved.offers, s.id)):
            chosen[own.product_id] = own
        assert {own.id for own in chosen.values()} >= {*saved.offers}, "an offer is out of sight"
        return replace(saved, subscriptions=tuple(chosen.values()))

    # -- billing -------------------------------------------------------------------------------

    def open(self, request_id: UUID) -> Invoice:
        """Open the invoice that was asked for; the same arithmetic leads to the same total."""
        request = self.requested.pop(request_id)
        priced = price_lines(request.lines, self.book, self.now)
        lines = tuple(
            InvoicedLine(
                position=position,
                title=line.title,
                total=Money(minor, "CHF"),
                subscription_id=line.subscription_id,
                request_id=request.request_id,
                basis=line.basis,
                vat_percent=percent,
            )
            for position, (line, percent, minor) in enumerate(
                zip(
                    request.lines,
                    priced.vat_percents,
                    priced.totals.line_totals_minor,
                    strict=True,
                ),
                1,
            )
        )
        total = Money(priced.totals.total_minor, "CHF")
        assert total == request.expected_total
        return self._opened(Invoice(self.ids(), request, lines, total))

    def _withdraw(self, event: InvoiceRequestWithdrawn) -> None:
        """Unpaid, it is gone, or replaced by one with the other lines."""
        invoice, request = (d.get(event.request_id) for d in (self.invoices, self.requested))
        if isinstance(invoice, Invoice) and invoice.open and not invoice.settled:
            kept = {n.subscription_id for n in invoice.lines} - {*event.subscription_ids}
            invoice.open = False
            if kept:
                self.replace(invoice, kept)
        elif isinstance(request, InvoiceRequested):
            lines = [n for n in request.lines if n.subscription_id not in event.subscription_ids]
            del self.requested[event.request_id]
            if lines:
                total = Money(price_lines(lines, self.book, self.now).totals.total_minor, "CHF")
                reduced = {"lines": tuple(lines), "expected_total": total}
                self.requested[event.request_id] = request.model_copy(update=reduced)

    def _opened(self, invoice: Invoice) -> Invoice:
        """As `link_invoices` does by SQL, with what is missing on it."""
        self.invoices[invoice.request.request_id] = invoice
        self.charged |= {(invoice.id, n.position): n.total.minor for n in invoice.lines}
        made = self.draft()
        due_date = self.now.date() + timedelta(days=30)
        keys = set(outcomes.keys(invoice.lines))
        for offer in list(made.offers.values()):
            if (offer.request_id, offer.subscription_id) in keys:
                made.save_offer(replace(offer, invoice_id=invoice.id).lapsing(due_date))
            elif offer.invoice_id == invoice.id:
                outcomes.drop_missing(made, [offer])
        self.save(made)
        for listener in self.due:
            listener(invoice.request.request_id, due_date)
        return invoice

    def pay(self, invoice: Invoice) -> Draft:
        """Also one that was let go of: the money had been on its way."""
        invoice.settled += 1
        invoice.paid = True
        paid = {"settlement": invoice.settled, "paid_at": self.now, "total": invoice.total}
        return self._hear(outcomes.invoice_paid, invoice, InvoicePaid, **paid)

    def reverse(self, invoice: Invoice) -> Draft:
        invoice.paid = False
        return self._hear(
            outcomes.payment_reversed,
            invoice,
            InvoicePaymentReversed,
            settlement=invoice.settled,
            reversed_at=self.now,
            due_date=self.now.date(),
            open_amount=invoice.total,
        )

    def void(self, invoice: Invoice) -> Draft:
        invoice.open, invoice.gone = False, True
        return self._hear(outcomes.invoice_voided, invoice, InvoiceVoided)

    def credit(self, invoice: Invoice) -> Draft:
        """An operator credits all of it."""
        invoice.open, invoice.gone = False, True
        nothing = Money(0, "CHF")
        return self._hear(
            outcomes.invoice_credited,
            invoice,
            InvoiceCredited,
            credit_note_id=self.ids(),
            credit_note_number="CN-1",
            credited=invoice.total,
            to_balance=nothing,
            open_amount=nothing,
            fully=True,
        )

    def replace(self, invoice: Invoice, kept: Collection[UUID | None]) -> Invoice:
        """Void it and open one with the lines of some subscriptions, in billing's order."""
        new_id = self.ids()
        self._hear(outcomes.invoice_voided, invoice, InvoiceVoided, replaced_by=new_id)
        lines = [n for n in invoice.lines if n.subscription_id in kept]
        lines = [n.model_copy(update={"position": at}) for at, n in enumerate(lines, 1)]
        return self._opened(Invoice(new_id, invoice.request, tuple(lines), invoice.total))

    def reject(self, request_id: UUID) -> Draft:
        """The price or a VAT rate has changed since the preview."""
        request = self.requested.pop(request_id)
        event = InvoiceRejected(
            customer_id=request.customer_id,
            request_id=request_id,
            subscription_ids=tuple(line.subscription_id for line in request.lines),
            reason="amount_changed",
            detail="expected CHF 1.00, but the total is CHF 2.00",
        )
        made = self.draft()
        outcomes.invoice_rejected(made, event, self._found())
        return self.save(made)

    def _hear(self, decision: Any, invoice: Invoice, kind: type[Any], **more: Any) -> Draft:
        invoice.version += 1
        event = kind(
            customer_id=self.book.customer.id,
            invoice_id=invoice.id,
            version=invoice.version,
            number="INV-1",
            lines=invoice.lines,
            **more,
        )
        made = self.draft()
        decision(made, event, self._found())
        return self.save(made)

    def _found(self) -> Found:
        rows = [r for rows in self.book.periods.values() for r in rows if r.request_id]
        found = {
            (r.request_id, r.subscription_id): r
            for r in sorted(rows, key=lambda r: r.term)
            if r.request_id
        }
        return Found(self.offers, found)

    # -- time ----------------------------------------------------------------------------------

    def settle(self) -> list[Draft]:
        """Everything that is due; a second time nothing is."""
        made = []
        for decision in DUE:
            draft = self.draft()
            decision(draft)
            made.append(self.save(draft))
            again = self.draft()
            decision(again)
            assert again.nothing, f"{decision} the second time"
        return made
