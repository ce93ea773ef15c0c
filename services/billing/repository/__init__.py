"""Every query of the billing service."""

from services.billing.repository.balances import (
    add_withdrawn_subscriptions,
    get_balances,
    get_credit_of,
    get_credit_used,
    get_withdrawn_subscriptions,
    list_balance_entries,
    lock_balances,
    save_balances,
)
from services.billing.repository.copies import (
    erase_customers,
    get_seller,
    has_customer,
    lock_customers,
    lock_seller,
    save_customers,
    save_seller,
)
from services.billing.repository.credit_notes import (
    add_credit_notes,
    get_credit_notes,
    get_credited_requests,
    save_credited_lines,
)
from services.billing.repository.documents import (
    add_documents,
    get_document,
)
from services.billing.repository.drafts import (
    add_draft,
    delete_draft,
    delete_drafts_of,
    lock_bill,
    open_draft,
    save_draft,
)
from services.billing.repository.invoices import (
    add_invoices,
    get_bill,
    get_invoices,
    get_number,
    list_invoices,
    lock_invoices,
    lock_invoices_of_requests,
    save_invoices,
    take_numbers,
)
from services.billing.repository.payments import (
    add_payments,
    get_payment,
    get_payments,
    save_reversal,
)
from services.billing.repository.requests import (
    Standing,
    add_withdrawn,
    get_standings,
    get_withdrawn,
)

__all__ = [
    "Standing",
    "add_credit_notes",
    "add_documents",
    "add_draft",
    "add_invoices",
    "add_payments",
    "add_withdrawn",
    "add_withdrawn_subscriptions",
    "delete_draft",
    "delete_drafts_of",
    "erase_customers",
    "get_balances",
    "get_bill",
    "get_credit_notes",
    "get_credit_of",
    "get_credit_used",
    "get_credited_requests",
    "get_document",
    "get_invoices",
    "get_number",
    "get_payment",
    "get_payments",
    "get_seller",
    "get_standings",
    "get_withdrawn",
    "get_withdrawn_subscriptions",
    "has_customer",
    "list_balance_entries",
    "list_invoices",
    "lock_balances",
    "lock_bill",
    "lock_customers",
    "lock_invoices",
    "lock_invoices_of_requests",
    "lock_seller",
    "open_draft",
    "save_balances",
    "save_credited_lines",
    "save_customers",
    "save_draft",
    "save_invoices",
    "save_reversal",
    "save_seller",
    "take_numbers",
]
