"""The journal of a period, read a page at a time: it may be long, and its reader slow."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.billing import repository
from services.billing.domain import journal as domain
from services.billing.domain.invoice import Invoice
from services.billing.domain.journal import Booking
from services.billing.domain.lists import Wanted
from services.billing.repository import FIRST, Place, Source
from shared.database import Database
from shared.errors import InputInvalid
from shared.periods import local_date

__all__ = ["DAYS_MAX", "check_period", "read_journal"]

DAYS_MAX = 366
_PAGE = 500
_Page = Sequence[Booking]


def check_period(from_date: date, to_date: date) -> None:
    """Both days belong to it.

    Raises:
        InputInvalid: it ends before it begins, or is too long.
    """
    if to_date < from_date:
        raise InputInvalid("to", "must not be before `from`")
    if (to_date - from_date).days >= DAYS_MAX:
        raise InputInvalid("to", f"must be less than {DAYS_MAX} days after `from`")


async def read_journal(
    database: Database, from_date: date, to_date: date, *, now: datetime
) -> AsyncIterator[_Page]:
    """All bookings of these days of the seller, by what they are, each in the order of time."""
    async with database.reading() as tx:
        seller = await repository.get_seller(tx)
    zone = seller.time_zone if seller else "UTC"
    begin, end = (
        datetime.combine(day, time(), ZoneInfo(zone))
        for day in (from_date, to_date + timedelta(days=1))
    )
    wanted = Wanted(from_date=from_date, to_date=to_date, hidden=None)
    async for page in _invoices(database, wanted, now):
        yield page
    async for page in _voided(database, begin, end, zone):
        yield page
    for source, bookings in _BOOKINGS.items():
        async for page in _rows(database, source, bookings, begin, end, zone):
            yield page


async def _invoices(database: Database, wanted: Wanted, now: datetime) -> AsyncIterator[_Page]:
    after: str | None = ""
    while after is not None:
        async with database.reading() as tx:
            page, after = await repository.list_invoices(
                tx, wanted, sort="date", descending=False, after=after, limit=_PAGE, now=now
            )
        final = [bill for bill in page if isinstance(bill, Invoice)]
        yield [b for i in final for b in domain.invoice_bookings(i, i.invoice_date, "invoice")]


async def _voided(
    database: Database, begin: datetime, end: datetime, zone: str
) -> AsyncIterator[_Page]:
    place: Place | None = (begin - timedelta(microseconds=1), FIRST)
    while place:
        async with database.reading() as tx:
            page = await repository.get_voided(tx, place, end, _PAGE)
        at = [(invoice.voided_at, invoice) for invoice in page if invoice.voided_at]
        yield [
            booking
            for instant, invoice in at
            for booking in domain.invoice_bookings(
                invoice, local_date(instant, zone), "cancellation"
            )
        ]
        place = (at[-1][0], at[-1][1].id) if len(page) == _PAGE else None


async def _rows(
    database: Database,
    source: Source,
    bookings: "_Bookings",
    begin: datetime,
    end: datetime,
    zone: str,
) -> AsyncIterator[_Page]:
    place: Place | None = (begin - timedelta(microseconds=1), FIRST)
    while place:
        async with database.reading() as tx:
            page = await repository.get_booked(tx, source, place, end, _PAGE)
        yield [booking for row in page for booking in bookings(row, local_date(row.at, zone))]
        place = (page[-1].at, page[-1].id) if len(page) == _PAGE else None


_Bookings = Callable[[Any, date], Iterable[Booking]]
_BOOKINGS: dict[Source, _Bookings] = {
    "credit_notes": lambda row, _: domain.credit_note_bookings(row),
    "payments": lambda row, day: domain.payment_bookings(row, day, "payment"),
    "reversals": lambda row, day: domain.payment_bookings(row, day, "reversal"),
    "balance": domain.balance_bookings,
    "arrivals": domain.arrival_bookings,
    "entries": domain.arrival_entry_bookings,
}
