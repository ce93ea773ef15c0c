from datetime import date, datetime
from typing import Literal
from uuid import UUID

from shared.events.base import Event, Part, Topic
from shared.events.subscriptions import EventPeriod
from shared.fields import DecimalString, MoneyField

__all__ = [
    "INVOICES",
    "SETTINGS",
    "CreditBalanceChanged",
    "CreditNoteIssued",
    "InvoiceCredited",
    "InvoiceDocumentStored",
    "InvoiceDueDateChanged",
    "InvoiceOpened",
    "InvoicePaid",
    "InvoicePartiallyPaid",
    "InvoicePaymentReversed",
    "InvoiceRejected",
    "InvoiceSendRequested",
    "InvoiceVoided",
    "InvoicedLine",
    "PaymentUnallocated",
    "SellerSeries",
    "SellerVatRate",
    "SettingsChanged",
]

INVOICES = Topic("billing.invoices.v1")
SETTINGS = Topic("billing.settings.v1", compacted=True)


class InvoicedLine(Part):
    """`subscription_id` and `request_id` are absent on lines that no subscription asked for.

    `total` is net or gross as `basis` says; `vat_percent` is what was charged on it.
    """

    position: int
    title: str
    total: MoneyField
    subscription_id: UUID | None = None
    request_id: UUID | None = None
    period: EventPeriod | None = None
    basis: Literal["net", "gross"] | None = None
    vat_percent: DecimalString | None = None


class _InvoiceEvent(Event):
    invoice_id: UUID
    version: int

    @property
    def subject(self) -> str:
        return str(self.invoice_id)


class _NumberedInvoiceEvent(_InvoiceEvent):
    number: str
    lines: tuple[InvoicedLine, ...]


class InvoiceOpened(_NumberedInvoiceEvent, type="invoice.opened", topic=INVOICES):
    """Finalised: numbered and immutable from here on."""

    request_id: UUID | None = None
    title: str
    language: str
    invoice_date: date
    due_date: date
    total: MoneyField
    open_amount: MoneyField


class InvoiceRejected(Event, type="invoice.rejected", topic=INVOICES):
    """The request can not become an invoice; nothing was made."""

    request_id: UUID
    subscription_ids: tuple[UUID, ...]
    reason: Literal["amount_changed", "settings_missing", "input_invalid"]
    detail: str

    @property
    def subject(self) -> str:
        return str(self.request_id)


class InvoicePartiallyPaid(_InvoiceEvent, type="invoice.partially_paid", topic=INVOICES):
    number: str
    paid: MoneyField
    open_amount: MoneyField


class InvoicePaid(_NumberedInvoiceEvent, type="invoice.paid", topic=INVOICES):
    """Exactly one per (invoice, settlement); a reversal and a new payment make the next one.

    `paid_at` is the instant the settling payment was recorded.
    """

    settlement: int
    paid_at: datetime
    total: MoneyField


class InvoicePaymentReversed(
    _NumberedInvoiceEvent, type="invoice.payment_reversed", topic=INVOICES
):
    """A payment went back: what had been settled by `settlement` is owed again."""

    settlement: int
    reversed_at: datetime
    due_date: date
    open_amount: MoneyField


class InvoiceDueDateChanged(_NumberedInvoiceEvent, type="invoice.due_date_changed", topic=INVOICES):
    """There is more or less time to pay what is open."""

    due_date: date
    previous_due_date: date
    open_amount: MoneyField


class InvoiceCredited(_NumberedInvoiceEvent, type="invoice.credited", topic=INVOICES):
    """A credit note lowered what is owed; what had been paid above it went to the balance.

    Attributes:
        lines: what was credited of each line, in its basis and with its sign.
        credited: incl. VAT.
        request_id: the `credit.requested` or withdrawn request that led to it, if one did.
        fully: nothing of the invoice is left uncredited.
    """

    credit_note_id: UUID
    credit_note_number: str
    credited: MoneyField
    to_balance: MoneyField
    open_amount: MoneyField
    request_id: UUID | None = None
    fully: bool = False


class InvoiceVoided(_NumberedInvoiceEvent, type="invoice.voided", topic=INVOICES):
    """`replaced_by`: the invoice that now carries these lines, where there is one."""

    replaced_by: UUID | None = None


class CreditNoteIssued(_InvoiceEvent, type="credit_note.issued", topic=INVOICES):
    """Numbered in a gapless series of its own; `total` incl. VAT, positive.

    `to_balance`: what of it nobody owed any more.
    """

    credit_note_id: UUID
    number: str
    invoice_number: str
    issued_on: date
    total: MoneyField
    to_balance: MoneyField | None = None


class CreditBalanceChanged(Event, type="credit_balance.changed", topic=INVOICES):
    """The customer's balance in one currency after a change of `amount`; names where it came from.

    `version` counts the changes of this balance: one per customer and currency.
    """

    version: int
    currency: str
    amount: MoneyField
    balance: MoneyField
    origin: Literal["credit_note", "overpayment", "invoice", "invoice_voided", "refund", "forfeit"]
    invoice_id: UUID | None = None
    subscription_id: UUID | None = None

    @property
    def subject(self) -> str:
        return self.currency


class PaymentUnallocated(Event, type="payment.unallocated", topic=INVOICES):
    """Money has come by bank or provider that could not be booked; an operator decides about it.

    Its key is `unallocated_payment_id`.

    Attributes:
        customer_id: of the invoice that was meant, where one is known.
        source: the bank or provider; `reference` is what it is called there.
        invoice_id: the invoice that was meant.
    """

    customer_id: UUID | None = None  # type: ignore[assignment]  # nobody may know whose it is
    unallocated_payment_id: UUID
    amount: MoneyField
    source: str
    reference: str
    why: Literal["invoice_unknown", "invoice_void", "invoice_credited", "currency_differs"]
    received_on: date
    invoice_id: UUID | None = None

    @property
    def key(self) -> str:
        return str(self.unallocated_payment_id)

    @property
    def subject(self) -> str:
        return str(self.unallocated_payment_id)


class InvoiceDocumentStored(_InvoiceEvent, type="invoice.document_stored", topic=INVOICES):
    """`storage_key` leads to the PDF in the document store; it contains the content's hash.

    Attributes:
        number: of the invoice, or of the credit note.
        kind: the invoice as opened, a copy that says what became of it, or a note about it.
    """

    number: str
    storage_key: str
    sha256: str
    filename: str
    size_bytes: int
    kind: Literal["invoice", "copy", "credit_note", "cancellation"] = "invoice"
    document_id: UUID | None = None
    credit_note_id: UUID | None = None


class InvoiceSendRequested(_InvoiceEvent, type="invoice.send_requested", topic=INVOICES):
    """Somebody wants an invoice mailed, perhaps once more.

    Attributes:
        send_id: one per request; whoever mails does so once for each.
        document_id: what goes with it; without a `storage_key` it is being drawn, and
            `invoice.document_stored` names it.
    """

    number: str
    send_id: UUID
    document_id: UUID
    due_date: date
    open_amount: MoneyField
    storage_key: str = ""
    filename: str = ""


class SellerSeries(Part):
    """Numbers such as INV-2026-0117; `start` is the first number of a new prefix."""

    prefix: str
    yearly: bool = True
    start: int = 1


class SellerVatRate(Part):
    country: str
    category: str
    percent: DecimalString
    valid_from: date
    valid_to: date | None = None


class SettingsChanged(Event, type="settings.changed", topic=SETTINGS):
    """The seller's settings: one seller per installation, key `seller`.

    Attributes:
        registrations: countries where the seller is registered for VAT, the home country first.
        rounding_minor: cash rounding increment in minor units per currency; absent means 1.
        invoice_numbers: None: INV, each year from 1.
        credit_note_numbers: None: CN, each year from 1.
        brand_color: #rrggbb, or empty.
        logo_key: where the PNG is in the document store; empty: there is none.
    """

    customer_id: None = None  # type: ignore[assignment]  # settings belong to no customer
    name: Literal["seller"] = "seller"
    version: int
    company_name: str
    brand_name: str
    address_lines: tuple[str, ...]
    country: str
    time_zone: str
    email: str
    vat_id: str = ""
    iban: str = ""
    footer: str = ""
    registrations: tuple[str, ...]
    vat_rates: tuple[SellerVatRate, ...]
    due_days: int
    rounding_minor: dict[str, int] = {}
    invoice_numbers: SellerSeries | None = None
    credit_note_numbers: SellerSeries | None = None
    brand_color: str = ""
    logo_key: str = ""

    @property
    def key(self) -> str:
        return self.name
