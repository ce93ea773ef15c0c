"""Parse, call one use case, shape the answer."""

from services.billing.api import balance, credit_notes, drafts, invoices, payments, settings

__all__ = ["routers"]

routers = [
    settings.router,
    drafts.router,
    invoices.router,
    payments.router,
    credit_notes.router,
    balance.router,
]
