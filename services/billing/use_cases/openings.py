"""From requests to open invoices: priced, numbered, announced; each request once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing import repository
from services.billing.domain.invoice import Invoice
from services.billing.domain.numbering import invoice_series
from services.billing.domain.opening import (
    AmountChanged,
    open_requested,
    quote_request,
    without_lines,
)
from services.billing.repository import Standing
from services.billing.use_cases.balances import Books, lock_books, open_with_credit
from shared.clock import NewId
from shared.database import Tx
from shared.events import Event
from shared.events.billing import InvoiceRejected, SettingsChanged
from shared.events.subscriptions import InvoiceRequested
from shared.invoicing import InvoicingError
from shared.messaging.batch import Waiting
from shared.messaging.outbox import publish
from shared.periods import local_date
from shared.quotes import Quote

__all__ = ["open_requested_invoices"]


async def open_requested_invoices(
    tx: Tx, requests: Sequence[InvoiceRequested], *, now: datetime, new_id: NewId
) -> Waiting:
    """Open one invoice per request, or reject it with the reason.

    Returns the customers that are not known here yet; before the seller's settings are saved,
    that is all of them.
    """
    customers = await repository.lock_customers(tx, {r.customer_id for r in requests})
    settings = await repository.get_seller(tx)
    if settings is None:
        return {r.customer_id for r in requests}
    standings = await repository.get_standings(tx, requests)
    known = [r for r in requests if r.customer_id in customers]
    todo = _still_wanted(known, standings)
    books = await lock_books(
        tx, {(r.customer_id, r.currency) for r in todo if standings[r.request_id].has_credit}
    )
    priced, rejected = _price(todo, standings, customers, settings, now)
    invoices, opened = await _open(tx, priced, customers, settings, books, now=now, new_id=new_id)
    await repository.add_invoices(tx, invoices)
    await repository.add_documents(tx, invoices, now=now, new_id=new_id)
    await books.save(tx)
    await publish(tx, [*opened, *rejected], now=now, new_id=new_id)
    return {r.customer_id for r in requests} - customers.keys()


def _still_wanted(
    requests: Sequence[InvoiceRequested], standings: Mapping[UUID, Standing]
) -> list[InvoiceRequested]:
    """What has not become an invoice, without the lines that nobody waits for any more."""
    return [
        rest
        for request in requests
        if not (standing := standings[request.request_id]).opened
        and (rest := without_lines(request, standing.withdrawn))
    ]


def _price(
    requests: Sequence[InvoiceRequested],
    standings: Mapping[UUID, Standing],
    customers: dict[UUID, Any],
    settings: SettingsChanged,
    now: datetime,
) -> tuple[list[tuple[InvoiceRequested, Quote]], list[InvoiceRejected]]:
    today = local_date(now, settings.time_zone)
    priced: list[tuple[InvoiceRequested, Quote]] = []
    rejected: list[InvoiceRejected] = []
    for request in requests:
        try:
            quoted = quote_request(
                request,
                customers[request.customer_id],
                settings,
                today,
                reduced=bool(standings[request.request_id].withdrawn),
            )
            priced.append((request, quoted))
        except (AmountChanged, InvoicingError) as error:
            rejected.append(
                InvoiceRejected(
                    customer_id=request.customer_id,
                    request_id=request.request_id,
                    subscription_ids=tuple(line.subscription_id for line in request.lines),
                    reason="amount_changed"
                    if isinstance(error, AmountChanged)
                    else "input_invalid",
                    detail=str(error),
                )
            )
    return priced, rejected


async def _open(
    tx: Tx,
    priced: Sequence[tuple[InvoiceRequested, Quote]],
    customers: dict[UUID, Any],
    settings: SettingsChanged,
    books: Books,
    *,
    now: datetime,
    new_id: NewId,
) -> tuple[list[Invoice], list[Event]]:
    if not priced:
        return [], []
    today = local_date(now, settings.time_zone)
    series = invoice_series(settings)
    # Last of all locks: everybody who finalises waits for this row.
    first, invoice_date = await repository.take_numbers(tx, series, today, len(priced))
    invoices: list[Invoice] = []
    events: list[Event] = []
    for number, (request, quoted) in enumerate(priced, first):
        invoice, told = open_with_credit(
            open_requested(
                request,
                quoted,
                customers[request.customer_id],
                settings,
                invoice_id=new_id(),
                number=series.text(today, number),
                invoice_date=invoice_date,
                now=now,
            ),
            books,
            now=now,
            new_id=new_id,
        )
        invoices.append(invoice)
        events += told
    return invoices, events
