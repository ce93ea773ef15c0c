"""All tables of billing."""

from services.billing.tables.copies import customer_search, customers, seller_settings
from services.billing.tables.credit import (
    balance_entries,
    balance_lots,
    balance_postings,
    credit_balances,
    credit_note_lines,
    credit_notes,
    withdrawn_subscriptions,
)
from services.billing.tables.documents import documents
from services.billing.tables.invoices import (
    LATE_DAYS,
    invoice_lines,
    invoice_titles,
    invoices,
    number_series,
    withdrawn_requests,
)
from services.billing.tables.metadata import metadata
from services.billing.tables.payments import (
    arrival_entries,
    arrivals,
    payments,
    provider_events,
    provider_reversals,
)

__all__ = [
    "LATE_DAYS",
    "arrival_entries",
    "arrivals",
    "balance_entries",
    "balance_lots",
    "balance_postings",
    "credit_balances",
    "credit_note_lines",
    "credit_notes",
    "customer_search",
    "customers",
    "documents",
    "invoice_lines",
    "invoice_titles",
    "invoices",
    "metadata",
    "number_series",
    "payments",
    "provider_events",
    "provider_reversals",
    "seller_settings",
    "withdrawn_requests",
    "withdrawn_subscriptions",
]
