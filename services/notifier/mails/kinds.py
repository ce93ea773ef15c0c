"""What each mail says. A new mail: one class here with its subject, two templates, its texts."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final

from services.notifier.mails.voice import Voice
from shared.money import Money

_SHOWN_LINES: Final = 12  # the rest is in the PDF: Gmail cuts long mails, and nobody reads them


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent(ABC):
    """What every mail knows; templates see it as `mail`."""

    kind: ClassVar[str]  # templates/<kind>.html.jinja and templates/<kind>.txt.jinja

    language: str
    countries: tuple[str, ...] = ()  # the buyer's, then the seller's: whose numbers and dates
    seller_name: str
    brand_color: str | None = None  # "#rrggbb"
    reply_contact: str  # an e-mail address
    buyer_name: str
    sent_again: bool = False

    @abstractmethod
    def subject(self, voice: Voice) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceMail(MailContent):
    kind: ClassVar[str] = "invoice"

    number: str
    title: str
    lines: tuple[tuple[str, str | None], ...]  # title, detail
    total: Money
    open: Money
    invoice_date: date
    due_date: date
    payee: str  # the account holder's name, which banks compare with the IBAN's
    iban: str | None = None
    payment_reference: str | None = None  # as on the invoice's slip; else its number is named

    def subject(self, voice: Voice) -> str:
        return voice.say("invoice.subject", number=self.number, title=self.title)

    @property
    def grouped_iban(self) -> str:
        """The IBAN in groups of four, as people compare it."""
        return " ".join(re.findall(".{1,4}", "".join((self.iban or "").split())))

    @property
    def shown_lines(self) -> tuple[tuple[str, str | None], ...]:
        return self.lines[:_SHOWN_LINES]

    @property
    def hidden_lines(self) -> int:
        return len(self.lines) - len(self.shown_lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteMail(MailContent):
    kind: ClassVar[str] = "credit_note"

    number: str
    invoice_number: str
    issued_on: date
    total: Money
    to_balance: Money | None = None

    def subject(self, voice: Voice) -> str:
        return voice.say("credit_note.subject", number=self.number, invoice=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationMail(MailContent):
    kind: ClassVar[str] = "cancellation"

    number: str
    title: str
    invoice_date: date
    total: Money
    replaced_by: str | None = None  # number of the invoice that is to be paid instead

    def subject(self, voice: Voice) -> str:
        return voice.say("cancellation.subject", number=self.number)
