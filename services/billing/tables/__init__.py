"""All tables of billing."""

from services.billing.tables.copies import customers, seller_settings
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
    invoice_lines,
    invoices,
    number_series,
    withdrawn_requests,
)
from services.billing.tables.metadata import metadata
from services.billing.tables.payments import payments

__all__ = [
    "balance_entries",
    "balance_lots",
    "balance_postings",
    "credit_balances",
    "credit_note_lines",
    "credit_notes",
    "customers",
    "documents",
    "invoice_lines",
    "invoices",
    "metadata",
    "number_series",
    "payments",
    "seller_settings",
    "withdrawn_requests",
    "withdrawn_subscriptions",
]
