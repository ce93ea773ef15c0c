"""Every query of the billing service."""

from services.billing.repository.copies import (
    erase_customers,
    get_seller,
    lock_customers,
    lock_seller,
    save_customers,
    save_seller,
)
from services.billing.repository.documents import (
    add_documents,
    get_document,
)
from services.billing.repository.invoices import (
    add_invoices,
    add_payments,
    get_invoice,
    get_invoices,
    get_known_requests,
    get_payments,
    list_invoices,
    lock_invoices,
    save_invoices,
    take_numbers,
)

__all__ = [
    "add_documents",
    "add_invoices",
    "add_payments",
    "erase_customers",
    "get_document",
    "get_invoice",
    "get_invoices",
    "get_known_requests",
    "get_payments",
    "get_seller",
    "list_invoices",
    "lock_customers",
    "lock_invoices",
    "lock_seller",
    "save_customers",
    "save_invoices",
    "save_seller",
    "take_numbers",
]
