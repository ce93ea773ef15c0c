"""What a booking comes to: the new lines, and the unused value of what it takes the place of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.catalogue import Offering, Price
from services.subscriptions.domain.ledger import Taken
from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.domain.texts import (
    credit_description,
    credit_title,
    line_description,
    line_title,
)
from shared.errors import Conflict
from shared.events.subscriptions import EventPeriod, RequestedLine
from shared.invoicing import InvoicingError
from shared.money import Money
from shared.periods import Period, local_date
from shared.quotes import Buyer, Quote, Seller, quote

__all__ = ["Charge", "charge", "charge_of", "price_lines", "title_of"]


@dataclass(frozen=True, slots=True)
class Charge:
    """One product at one price, less what is credited for it.

    Attributes:
        lines: the product's line first, then one negative line per part of unused value.
        used: what is credited by lines.
        rest: unused value beyond the price.
    """

    lines: tuple[RequestedLine, ...]
    amount: Money
    used: tuple[Taken, ...] = ()
    rest: tuple[Taken, ...] = ()


def title_of(offering: Offering, book: Book) -> str:
    language = book.customer.language
    return line_title(offering.kind, offering.name_in(language), language)


def price_lines(lines: Sequence[RequestedLine], book: Book, now: Any) -> Quote:
    """Price lines as billing will, if it opens the invoice today.

    Raises:
        Conflict: there are no settings yet.
        InvoicingError: a VAT rate is missing, or the total would be negative.
    """
    if book.seller is None:
        raise Conflict("settings_missing", "The seller's settings have not been saved yet.")
    customer = book.customer
    return quote(
        lines,
        customer.currency,
        seller=Seller.of(book.seller),
        buyer=Buyer(customer.country, customer.is_company, customer.vat_id),
        on=local_date(now, book.seller.time_zone),
    )


def charge_of(
    book: Book,
    offering: Offering,
    price: Price,
    *,
    subscription_id: UUID,
    replaces: Subscription | None,
    now: Any,
) -> Charge:
    """What it costs to have this instead of `replaces`, and of the modules a plan brings along.

    Raises:
        Conflict: no invoice can be made, for lack of settings or of a VAT rate.
    """
    today = local_date(now, book.customer.time_zone)
    unused = book.unused(replaces, today) if replaces else []
    if offering.kind == "plan":
        for module in book.subscriptions:
            if module.product_id in offering.included_modules and module.cycle != "once":
                unused += book.unused(module, today)
    return charge(book, offering, price, unused, subscription_id=subscription_id, now=now)


def charge(
    book: Book,
    offering: Offering,
    price: Price,
    unused: Sequence[Taken] = (),
    *,
    subscription_id: UUID,
    now: Any,
    period: Period | None = None,
) -> Charge:
    """Price a product and credit unused value on it, down to a total of 0.

    Raises:
        Conflict: no invoice can be made, for lack of settings or of a VAT rate.
    """
    language = book.customer.language
    lines = [
        RequestedLine(
            subscription_id=subscription_id,
            title=title_of(offering, book),
            description=line_description(price.cycle, language, period),
            unit_price=price.unit_price or Decimal(0),
            basis=price.basis,
            vat_category=price.vat_category,
            cycle=price.cycle,
            period=EventPeriod(start=period.start, end=period.end) if period else None,
        )
    ]
    used, rest = [], []
    try:
        total = price_lines(lines, book, now).totals.total_minor
        for taken in unused:
            minor = _affordable(lines, taken, book, now)
            if minor:
                used.append(replace(taken, minor=minor))
                lines.append(_credit_line(used[-1], lines[0], book))
                total = price_lines(lines, book, now).totals.total_minor
            if minor < taken.minor:
                rest.append(replace(taken, minor=taken.minor - minor))
    except InvoicingError as error:
        raise Conflict("not_invoiceable", f"No invoice can be made: {error}.") from error
    return Charge(tuple(lines), Money(total, book.customer.currency), tuple(used), tuple(rest))


def _affordable(lines: Sequence[RequestedLine], taken: Taken, book: Book, now: Any) -> int:
    """The greatest part of the value that leaves no negative total."""
    if taken.part.currency != book.customer.currency:
        return 0
    enough, too_much = 0, taken.minor + 1
    trial = taken.minor
    while enough < trial < too_much:
        line = _credit_line(replace(taken, minor=trial), lines[0], book)
        try:
            price_lines([*lines, line], book, now)
        except InvoicingError:
            too_much = trial
        else:
            enough = trial
        trial = (enough + too_much) // 2
    return enough


def _credit_line(taken: Taken, charged: RequestedLine, book: Book) -> RequestedLine:
    part, language = taken.part, book.customer.language
    credited = next((s for s in book.subscriptions if s.id == taken.subscription_id), None)
    title = title_of(book.offering(credited.product_id), book) if credited else charged.title
    return RequestedLine(
        # Withdrawn together with what it makes cheaper, therefore of the same subscription.
        subscription_id=charged.subscription_id,
        title=credit_title(title, language),
        description=credit_description(taken.unused, taken.days, language),
        explanation=taken.formula,
        unit_price=-Money(taken.minor, part.currency).decimal,
        basis=part.basis,
        vat_category=charged.vat_category,
        vat_percent=part.vat_percent,
        cycle=credited.cycle or charged.cycle if credited else charged.cycle,
    )
