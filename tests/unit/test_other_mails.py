"""Mails about credit notes, cancelled invoices, and invoices that are sent once more."""

from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from services.notifier.mails.build import Attachment, Envelope, build_mail
from services.notifier.mails.kinds import (
    CancellationMail,
    CreditNoteMail,
    InvoiceMail,
    MailContent,
)
from services.notifier.mails.texts import LANGUAGES
from shared.money import Money

ENVELOPE = Envelope(
    sender_name="Musterfirma",
    sender_address="rechnung@example.com",
    recipient_name="Musterhotel AG",
    recipient_address="hotel@example.org",
    message_id="<0192.note@example.com>",
    date=datetime(2026, 12, 1, 8, 30, tzinfo=UTC),
    attachments=(
        Attachment(filename="CN-2026-0003.pdf", media_type="application/pdf", content=b"%PDF"),
    ),
)
CREDIT_NOTE = CreditNoteMail(
    language="en",
    countries=("CH",),
    seller_name="Musterfirma",
    reply_contact="fragen@example.com",
    buyer_name="Musterhotel AG",
    number="CN-2026-0003",
    invoice_number="INV-2026-0117",
    issued_on=date(2026, 12, 1),
    total=Money(54050, "CHF"),
    to_balance=Money(20000, "CHF"),
)
CANCELLATION = CancellationMail(
    language="en",
    countries=("CH",),
    seller_name="Musterfirma",
    reply_contact="fragen@example.com",
    buyer_name="Musterhotel AG",
    number="INV-2026-0117",
    title="Change to Business",
    invoice_date=date(2026, 11, 22),
    total=Money(137775, "CHF"),
    replaced_by="INV-2026-0118",
)
INVOICE = InvoiceMail(
    language="en",
    countries=("CH",),
    seller_name="Musterfirma",
    payee="Musterfirma Software AG",
    reply_contact="fragen@example.com",
    buyer_name="Musterhotel AG",
    number="INV-2026-0117",
    title="Change to Business",
    lines=(("Plan Business", None),),
    total=Money(137775, "CHF"),
    open=Money(137775, "CHF"),
    invoice_date=date(2026, 11, 22),
    due_date=date(2026, 12, 2),
    iban="CH93 0076 2011 6238 5295 7",
)
EACH = pytest.mark.parametrize(
    "content", [CREDIT_NOTE, CANCELLATION, INVOICE], ids=lambda content: content.kind
)
FORMS = ("plain", "html")


def sent(content: MailContent) -> EmailMessage:
    raw = build_mail(content, ENVELOPE).as_bytes()
    return message_from_bytes(raw, _class=EmailMessage, policy=SMTP)


def body(content: MailContent, form: str) -> str:
    part = sent(content).get_body((form,))
    assert isinstance(part, EmailMessage)
    text = part.get_content()
    assert isinstance(text, str)
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\r\n", "\n")


@pytest.mark.parametrize("form", FORMS)
def test_a_credit_note_says_how_much_for_which_invoice_and_where_it_goes(form: str) -> None:
    text = body(CREDIT_NOTE, form)
    for words in (
        *("CN-2026-0003", "1 December 2026", "INV-2026-0117", "CHF 540.50"),
        *("Set off against the invoice", "CHF 340.50", "Added to your credit", "CHF 200.00"),
        *("pays your next invoice", "CN-2026-0003.pdf"),
    ):
        assert words in text
    owed = body(replace(CREDIT_NOTE, to_balance=Money(0, "CHF")), form)
    assert "Added to your credit" not in owed
    assert "next invoice" not in owed
    settled = body(replace(CREDIT_NOTE, to_balance=CREDIT_NOTE.total), form)
    assert "Set off" not in settled
    unknown = body(replace(CREDIT_NOTE, to_balance=None), form)
    assert "Where it goes" not in unknown


@pytest.mark.parametrize("form", FORMS)
def test_a_cancellation_says_not_to_pay_and_what_to_pay_instead(form: str) -> None:
    text = body(CANCELLATION, form)
    for words in (
        *("please do not pay it", "replaced by invoice INV-2026-0118", "CHF 1’377.75"),  # noqa: RUF001
        *("22 November 2026", "Change to Business", "If you have paid it already"),
    ):
        assert words in text
    for asking in ("IBAN", "How to pay", "To pay"):
        assert asking not in text
    assert "replaced" not in body(replace(CANCELLATION, replaced_by=None), form)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_sent_once_more_says_so_in_its_first_words(form: str) -> None:
    again = replace(INVOICE, sent_again=True)
    assert sent(again)["Subject"] == "Sent again: Invoice INV-2026-0117: Change to Business"
    assert "once more" in body(again, form)
    assert "pay it once" in body(again, form)
    assert "once more" not in body(INVOICE, form)


def test_subjects() -> None:
    assert sent(CREDIT_NOTE)["Subject"] == "Credit note CN-2026-0003 for invoice INV-2026-0117"
    assert sent(CANCELLATION)["Subject"] == "Invoice INV-2026-0117 is cancelled"


@EACH
def test_each_speaks_all_languages(content: MailContent) -> None:
    said = {
        language: (sent(own := replace(content, language=language))["Subject"], body(own, "html"))
        for language in LANGUAGES
    }
    assert len(set(said.values())) == len(LANGUAGES)
    for language, (_, html) in said.items():
        assert f'<html lang="{language}"' in html


@EACH
def test_each_keeps_strangers_text(content: MailContent) -> None:
    strange = "<script>alert(1)</script>{{7*7}}\r\nBcc: evil@example.net"
    named: Any = dict.fromkeys(("buyer_name", "number", "seller_name"), strange)
    assert sent(replace(content, **named))["Bcc"] is None
    html = body(replace(content, **named), "html")
    assert "<script" not in html
    assert "{{7*7}}" in html


@EACH
def test_each_has_the_same_bytes_for_the_same_words(content: MailContent) -> None:
    first = build_mail(content, ENVELOPE).as_bytes()
    assert first == build_mail(replace(content), ENVELOPE).as_bytes()
