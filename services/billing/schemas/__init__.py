"""What the API takes and gives."""

from services.billing.schemas.credit import (
    BalanceEntryOut,
    BalanceOut,
    CreditedLineOut,
    CreditLineIn,
    CreditNoteIn,
    CreditNoteOut,
    CreditNotesOut,
    CreditResultOut,
    RefundIn,
    RefundOut,
)
from services.billing.schemas.invoices import InvoiceOut, InvoicesOut, LineOut, PeriodOut, VatRowOut
from services.billing.schemas.payments import (
    PaymentIn,
    PaymentOut,
    PaymentResultOut,
    PaymentsOut,
    ReversalIn,
)
from services.billing.schemas.settings import SellerIn, SellerOut, VatRateIn

__all__ = [
    "BalanceEntryOut",
    "BalanceOut",
    "CreditLineIn",
    "CreditNoteIn",
    "CreditNoteOut",
    "CreditNotesOut",
    "CreditResultOut",
    "CreditedLineOut",
    "InvoiceOut",
    "InvoicesOut",
    "LineOut",
    "PaymentIn",
    "PaymentOut",
    "PaymentResultOut",
    "PaymentsOut",
    "PeriodOut",
    "RefundIn",
    "RefundOut",
    "ReversalIn",
    "SellerIn",
    "SellerOut",
    "VatRateIn",
    "VatRowOut",
]
