"""From requests to open invoices: priced, numbered, announced; each request once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing import repository
from services.billing.domain.invoice import (
    AmountChanged,
    Invoice,
    InvoiceState,
    number_text,
    open_requested,
    quote_request,
)
from services.billing.use_cases.announcements import opened_event, paid_event
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

_SERIES = "INV"


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
    done = await repository.get_known_requests(tx, [r.request_id for r in requests])
    todo = [r for r in requests if r.customer_id in customers and r.request_id not in done]
    priced, rejected = _price(todo, customers, settings, now)
    invoices = await _open(tx, priced, customers, settings, now=now, new_id=new_id)
    await repository.add_invoices(tx, invoices)
    await repository.add_documents(tx, invoices, now=now, new_id=new_id)
    events: list[Event] = []
    for invoice in invoices:
        events.append(opened_event(invoice))
        if invoice.state is InvoiceState.PAID:
            events.append(paid_event(invoice))
    await publish(tx, [*events, *rejected], now=now, new_id=new_id)
    return {r.customer_id for r in requests} - customers.keys()


def _price(
    requests: Sequence[InvoiceRequested],
    customers: dict[UUID, Any],
    settings: SettingsChanged,
    now: datetime,
) -> tuple[list[tuple[InvoiceRequested, Quote]], list[InvoiceRejected]]:
    today = local_date(now, settings.time_zone)
    priced: list[tuple[InvoiceRequested, Quote]] = []
    rejected: list[InvoiceRejected] = []
    for request in requests:
        try:
            priced.append(
                (request, quote_request(request, customers[request.customer_id], settings, today))
            )
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
    *,
    now: datetime,
    new_id: NewId,
) -> list[Invoice]:
    if not priced:
        return []
    today = local_date(now, settings.time_zone)
    # Last of all locks: everybody who finalises waits for this row.
    first, invoice_date = await repository.take_numbers(tx, _SERIES, today, len(priced))
    return [
        open_requested(
            request,
            quoted,
            customers[request.customer_id],
            settings,
            invoice_id=new_id(),
            number=number_text(_SERIES, today.year, number),
            invoice_date=invoice_date,
            now=now,
        )
        for number, (request, quoted) in enumerate(priced, first)
    ]
