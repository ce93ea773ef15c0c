"""What becomes of bookings and changes when billing tells of their invoices.

All of it happens in batches of events, at most one per customer, whose customers the batch has
locked. What is decided about each is pure (`domain/decisions/outcomes.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.book import Book
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.decisions import outcomes
from services.subscriptions.domain.decisions.outcomes import Found, Key, keys
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.use_cases.saving import save
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import (
    InvoiceCredited,
    InvoiceDueDateChanged,
    InvoiceOpened,
    InvoicePaid,
    InvoicePaymentReversed,
    InvoiceRejected,
    InvoiceVoided,
)

__all__ = [
    "activate_paid_bookings",
    "drop_rejected_bookings",
    "drop_voided_bookings",
    "link_opened_invoices",
    "note_credited_invoices",
    "suspend_reversed_payments",
    "wait_longer",
]

ACTOR = "billing"


@dataclass(frozen=True, slots=True)
class _Batch:
    """Who acts when, for all events of a batch."""

    tx: Tx
    now: datetime
    new_id: NewId

    async def decide(
        self,
        events: Sequence[Any],
        books: Mapping[UUID, Book],
        found: Found,
        decision: Callable[[Draft, Any, Found], None],
    ) -> None:
        drafts = []
        for event in events:
            book = books.get(event.customer_id)
            if book:
                draft = Draft(book, now=self.now, new_id=self.new_id)
                decision(draft, event, found)
                drafts.append(draft)
        await save(self.tx, drafts, actor=ACTOR, now=self.now, new_id=self.new_id)

    async def decide_fully(
        self,
        events: Sequence[Any],
        wanted: Iterable[Key],
        decision: Callable[[Draft, Any, Found], None],
    ) -> None:
        """Decide with all that is known of the customers: for what does not happen all day."""
        found = Found(*await repository.find_by_lines(self.tx, wanted))
        if not (found.offers or found.periods):
            return
        customers = await repository.get_customers(self.tx, [e.customer_id for e in events])
        books = await repository.get_books(self.tx, customers, priced=False)
        await self.decide(events, books, found, decision)


async def link_opened_invoices(
    tx: Tx, opened: Sequence[InvoiceOpened], *, now: datetime, new_id: NewId
) -> None:
    """Note which invoice is waited for and until when; drop what its predecessor had and it not."""
    links = [
        (*key, event.invoice_id, event.due_date) for event in opened for key in keys(event.lines)
    ]
    missing = await repository.link_invoices(
        tx, links, {event.invoice_id: event.customer_id for event in opened}
    )
    if not missing:
        return
    customers = await repository.get_customers(tx, {offer.customer_id for offer in missing})
    books = await repository.get_books(tx, customers, priced=False)
    drafts = []
    for customer_id, book in books.items():
        draft = Draft(book, now=now, new_id=new_id)
        outcomes.drop_missing(draft, [o for o in missing if o.customer_id == customer_id])
        drafts.append(draft)
    await save(tx, drafts, actor=ACTOR, now=now, new_id=new_id)


async def wait_longer(tx: Tx, changed: Sequence[InvoiceDueDateChanged]) -> None:
    """More time to pay is more time until what waits for it lapses."""
    await repository.move_lapses(
        tx, [(event.customer_id, event.invoice_id, event.due_date) for event in changed]
    )


async def activate_paid_bookings(
    tx: Tx, paid: Sequence[InvoicePaid], *, now: datetime, new_id: NewId
) -> None:
    """Activate what was waiting for these invoices; what no longer waits stays as it is."""
    wanted = {key for event in paid for key in keys(event.lines)}
    found = Found(*await repository.find_by_lines(tx, wanted))
    if not (found.offers or found.periods):
        return
    catalogue = await repository.get_catalogue(tx, with_prices=False)
    ids = {event.customer_id for event in paid}
    books = await repository.get_slim_books(tx, ids, found.offers.values(), catalogue)
    open_of: defaultdict[UUID, list[Offer]] = defaultdict(list)
    for offer in found.offers.values():
        if offer.state == "open":
            open_of[offer.customer_id].append(offer)
    if more := [id_ for id_, book in books.items() if _needs_all(book, open_of[id_])]:
        customers = await repository.get_customers(tx, more)
        books |= await repository.get_books(tx, customers, priced=False)
    await _Batch(tx, now, new_id).decide(paid, books, found, outcomes.invoice_paid)


def _needs_all(book: Book, offers: Iterable[Offer]) -> bool:
    """Whether the value of modules counts: taken in by a plan, or credited by another offer.

    `offers`: those of this customer that are open.
    """
    modules = {s.product_id for s in book.subscriptions if s.kind == "module"}
    return any(
        (offer.is_change and offer.product_id in modules)
        or not modules.isdisjoint(_included(offer.product_id, book.catalogue))
        for offer in offers
    )


def _included(product_id: UUID, catalogue: Catalogue) -> tuple[UUID, ...]:
    return catalogue.offerings[product_id].included_modules


async def drop_voided_bookings(
    tx: Tx, voided: Sequence[InvoiceVoided], *, now: datetime, new_id: NewId
) -> None:
    """Release what waited for an invoice that is gone; replaced, it waits for the next one."""
    wanted = {key for event in voided for key in keys(event.lines)}
    await _Batch(tx, now, new_id).decide_fully(voided, wanted, outcomes.invoice_voided)


async def drop_rejected_bookings(
    tx: Tx, rejected: Sequence[InvoiceRejected], *, now: datetime, new_id: NewId
) -> None:
    """Release what there will be no invoice for."""
    wanted = {(event.request_id, s) for event in rejected for s in event.subscription_ids}
    await _Batch(tx, now, new_id).decide_fully(rejected, wanted, outcomes.invoice_rejected)


async def note_credited_invoices(
    tx: Tx, credited: Sequence[InvoiceCredited], *, now: datetime, new_id: NewId
) -> None:
    """Release what there is nothing left to pay for; what is granted is worth less."""
    wanted = {key for event in credited for key in keys(event.lines)}
    await _Batch(tx, now, new_id).decide_fully(credited, wanted, outcomes.invoice_credited)


async def suspend_reversed_payments(
    tx: Tx, reversed_: Sequence[InvoicePaymentReversed], *, now: datetime, new_id: NewId
) -> None:
    """What stands on these invoices is past due again."""
    wanted = {key for event in reversed_ for key in keys(event.lines)}
    await _Batch(tx, now, new_id).decide_fully(reversed_, wanted, outcomes.payment_reversed)
