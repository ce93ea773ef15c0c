"""What the journal is made of, a page at a time in the order of time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.billing.domain.invoice import Invoice
from services.billing.repository.invoices import finalised
from shared.database import Tx

__all__ = ["FIRST", "Place", "Source", "get_booked", "get_voided"]

Place = tuple[datetime, UUID]
"""The instant and id of the last row of a page: behind it the next one begins."""

FIRST = UUID(int=0)

Source = Literal["credit_notes", "payments", "reversals", "balance", "arrivals", "entries"]

_BEHIND = "({at}, {id}) > ($1, $2) AND {at} < $3 ORDER BY {at}, {id} LIMIT $4"
_PAYMENTS = (
    "SELECT p.*, p.{at} AS at, i.currency, i.number AS invoice_number, "
    "i.buyer ->> 'number' AS customer_number, "
    "EXISTS (SELECT 1 FROM arrival_entries e WHERE e.payment_id = p.id) AS assigned "
    "FROM payments p JOIN invoices i ON i.id = p.invoice_id WHERE "
)
_NAMES = (
    "(SELECT number FROM invoices WHERE id = {of}.invoice_id) AS invoice_number, "
    "(SELECT state ->> 'number' FROM customers WHERE id = {of}.customer_id) AS customer_number "
)
_SOURCES: dict[Source, str] = {
    "credit_notes": (
        "SELECT n.*, n.created_at AS at, i.number AS invoice_number, i.tax_treatment, "  # noqa: S608 - texts of this module
        "i.buyer ->> 'number' AS customer_number FROM credit_notes n "
        "JOIN invoices i ON i.id = n.invoice_id WHERE "
        + _BEHIND.format(at="n.created_at", id="n.id")
    ),
    "payments": (
        _PAYMENTS.format(at="recorded_at") + _BEHIND.format(at="p.recorded_at", id="p.id")
    ),
    "reversals": (
        _PAYMENTS.format(at="reversed_at") + _BEHIND.format(at="p.reversed_at", id="p.id")
    ),
    "balance": (
        "SELECT b.*, "
        + _NAMES.format(of="b")
        + "FROM balance_entries b WHERE "
        + _BEHIND.format(at="b.at", id="b.id")
    ),
    "arrivals": (
        "SELECT a.*, a.arrived_at AS at, " + _NAMES.format(of="a") + "FROM arrivals a "
        "WHERE a.why IS NOT NULL AND " + _BEHIND.format(at="a.arrived_at", id="a.id")
    ),
    "entries": (
        "SELECT e.*, a.currency, a.source, a.reference, a.received_on, "
        + _NAMES.format(of="a")
        + "FROM arrival_entries e JOIN arrivals a ON a.id = e.arrival_id WHERE "
        + _BEHIND.format(at="e.at", id="e.id")
    ),
}
_VOIDED = "SELECT * FROM invoices WHERE " + _BEHIND.format(at="voided_at", id="id")  # noqa: S608 - the same


async def get_booked(
    tx: Tx, source: Source, behind: Place, until: datetime, limit: int
) -> Sequence[Any]:
    """Rows of `source` behind a place and before an instant; `at` and `id` are the next place."""
    return await tx.fetch(_SOURCES[source], *behind, until, limit)


async def get_voided(tx: Tx, behind: Place, until: datetime, limit: int) -> list[Invoice]:
    return await finalised(tx, await tx.fetch(_VOIDED, *behind, until, limit))
