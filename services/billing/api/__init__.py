"""Parse, call one use case, shape the answer."""

from services.billing.api import (
    balance,
    credit_notes,
    documents,
    drafts,
    invoices,
    lists,
    payments,
    settings,
    unallocated,
)

__all__ = ["routers"]

routers = [
    settings.router,
    lists.router,  # `/invoices/export` before `/invoices/{invoice_id}`
    drafts.router,
    invoices.router,
    payments.router,
    unallocated.router,
    credit_notes.router,
    documents.router,
    balance.router,
]
