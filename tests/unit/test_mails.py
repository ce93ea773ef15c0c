"""Mails: what strangers are called stays text, the same input gives the same bytes."""

import re
import string
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from services.notifier.mails.accent import accent
from services.notifier.mails.build import TEMPLATES, Attachment, Envelope, build_mail
from services.notifier.mails.headers import one_line
from services.notifier.mails.kinds import InvoiceMail
from services.notifier.mails.texts import LANGUAGES, TEXTS, Text
from services.notifier.mails.voice import voice_of
from shared.money import Money

PDF = Attachment(
    filename="INV-2026-0117.pdf",
    media_type="application/pdf",
    content=b"%PDF-1.7\r\n.\r\n\n\r=_0_" + bytes(range(256)) * 40 + b"\r\n",
)
ENVELOPE = Envelope(
    sender_name="Musterfirma",
    sender_address="rechnung@example.com",
    recipient_name="Musterhotel AG",
    recipient_address="hotel@example.org",
    message_id="<0192.invoice@example.com>",
    date=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
    attachments=(PDF,),
)
INVOICE = InvoiceMail(
    language="de",
    countries=("CH",),
    seller_name="Musterfirma",
    payee="Musterfirma Software AG",
    reply_contact="fragen@example.com",
    buyer_name="Musterhotel AG",
    number="INV-2026-0117",
    title="Wechsel auf Business",
    lines=(("Plan Business", "1 Monat"), ("Guthaben Plan Team", None)),
    total=Money(123450, "CHF"),
    open=Money(123450, "CHF"),
    invoice_date=date(2026, 11, 22),
    due_date=date(2026, 12, 2),
    iban="CH93 0076 2011 6238 5295 7",
)

# Names and texts that would like to be more than that.
STRANGE = [
    "Acme\r\nBcc: evil@example.net",
    "Acme\nX-Injected: 1\n\nbody",
    "Acme\rBcc: evil@example.net",
    "Acme\x0bBcc: a\x0cBcc: b\x1cBcc: c\x85Bcc: d\u2028Bcc: e",
    "nul\x00byte",
    "=?utf-8?q?Acme=0D=0ABcc:_evil@example.net?=",
    "=?utf-8?q?=0A?=",
    "=?utf-8?b?QWNtZQ0KQmNjOiBl?= =?utf-8?q?=0A?=",
    'Evil" <evil@example.net>, "Acme',
    "a, b" * 24,
    "(comment) " * 10 + "\\",
    "Müller, Söhne & Töchter (Zürich) " * 4,
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} {% raw %} {number} %s",
    "invoice\u202egpj.exe",
    "lone \ud800 surrogate",
    "two  spaces",
    " edges ",
    "🏨 Hôtel du Lac, 東京",
]


def sent(content: InvoiceMail = INVOICE, envelope: Envelope = ENVELOPE) -> EmailMessage:
    """Return the mail as its receiver parses it."""
    raw = build_mail(content, envelope).as_bytes()
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", raw) is None, "a bare CR or LF"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    raw.decode("ascii")
    message = message_from_bytes(raw, _class=EmailMessage, policy=SMTP)
    assert not any(part.defects for part in message.walk())
    return message


def body(message: EmailMessage, form: str) -> str:
    part = message.get_body((form,))
    assert isinstance(part, EmailMessage)
    text = part.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def mailbox(message: EmailMessage, name: str) -> tuple[str, str]:
    """Read name and address as RFC 2047 says; the parser of 3.11 keeps the folds in names."""
    assert len(message[name].addresses) == 1
    wire = dict(message.raw_items())[name]
    ((display_name, address),) = getaddresses([wire])
    return str(make_header(decode_header(display_name))), address


def test_headers() -> None:
    message = sent()
    assert message.keys() == [
        *["From", "To", "Reply-To", "Subject", "Date", "Message-ID"],
        *["Auto-Submitted", "MIME-Version", "Content-Type", "Content-Language"],
    ]
    assert mailbox(message, "From") == ("Musterfirma", "rechnung@example.com")
    assert mailbox(message, "To") == ("Musterhotel AG", "hotel@example.org")
    assert mailbox(message, "Reply-To") == ("Musterfirma", "fragen@example.com")
    assert message["Subject"] == "Rechnung INV-2026-0117: Wechsel auf Business"
    assert message["Date"] == "Sun, 22 Nov 2026 08:30:00 +0000"
    assert message["Message-ID"] == "<0192.invoice@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"


def test_structure_and_attachments_intact() -> None:
    other = Attachment(filename="Annex 2.csv", media_type="text/csv", content=b"a\nb\r\n\xff")
    message = sent(envelope=replace(ENVELOPE, attachments=(PDF, other)))
    assert [part.get_content_type() for part in message.walk()] == [
        *["multipart/mixed", "multipart/alternative", "text/plain", "text/html"],
        *["application/pdf", "text/csv"],
    ]
    pdf, csv = message.iter_attachments()
    assert (pdf.get_filename(), pdf.get_payload(decode=True)) == (PDF.filename, PDF.content)
    assert (csv.get_filename(), csv.get_payload(decode=True)) == (other.filename, other.content)
    for form in ("plain", "html"):
        assert "INV-2026-0117.pdf, Annex 2.csv" in body(message, form)


def test_without_attachment_none_is_promised() -> None:
    message = sent(envelope=replace(ENVELOPE, attachments=()))
    assert message.get_content_type() == "multipart/alternative"
    assert "Anhang" not in body(message, "plain") + body(message, "html")


def test_same_input_same_bytes() -> None:
    first = build_mail(INVOICE, ENVELOPE).as_bytes()
    again = build_mail(deepcopy(INVOICE), deepcopy(ENVELOPE))
    assert first == again.as_bytes() == again.as_bytes() == deepcopy(again).as_bytes()
    other = build_mail(INVOICE, replace(ENVELOPE, message_id="<2@example.com>")).as_bytes()
    assert boundaries(first).isdisjoint(boundaries(other))
    assert len(boundaries(first)) == 2


def boundaries(raw: bytes) -> set[bytes]:
    return set(re.findall(rb'boundary="([^"]+)"', raw))


@pytest.mark.parametrize("strange", STRANGE)
def test_strangers_stay_text_in_headers(strange: str) -> None:
    shown = one_line(strange)
    assert shown.isprintable()
    message = sent(
        replace(INVOICE, title=strange, number=strange, seller_name=strange),
        replace(ENVELOPE, sender_name=strange, recipient_name=strange),
    )
    assert message.keys() == sent().keys()
    assert mailbox(message, "From") == (shown, "rechnung@example.com")
    assert mailbox(message, "To") == (shown, "hotel@example.org")
    assert mailbox(message, "Reply-To") == (shown, "fragen@example.com")
    assert message["Subject"] == one_line(f"Rechnung {strange}: {strange}")


@pytest.mark.parametrize("strange", STRANGE)
def test_strangers_stay_text_in_bodies(strange: str) -> None:
    message = sent(
        replace(
            INVOICE,
            seller_name=strange,
            buyer_name=strange,
            number=strange,
            title=strange,
            lines=((strange, strange),),
            iban=strange,
            payment_reference=strange,
            brand_color=strange,
        )
    )
    shown, harmless = one_line(strange), sent(replace(INVOICE, lines=(("a", "b"),)))
    text, html = body(message, "plain"), Skeleton.of(body(message, "html"))
    assert shown in text
    assert len(text.splitlines()) == len(body(harmless, "plain").splitlines())
    assert shown in "".join(html.texts)
    assert html.tags == Skeleton.of(body(harmless, "html")).tags


class Skeleton(HTMLParser):
    """What a browser makes of HTML: its tags with attributes, and its texts."""

    @classmethod
    def of(cls, html: str) -> Self:
        parser = cls()
        parser.tags, parser.texts = [], []
        parser.feed(html)
        parser.close()
        return parser

    tags: list[tuple[str, object]]
    texts: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(max_size=200) | st.text(string.printable, max_size=200))
def test_any_name_survives_the_wire(name: str) -> None:
    message = sent(replace(INVOICE, title=name), replace(ENVELOPE, recipient_name=name))
    assert message.keys() == sent().keys()
    assert mailbox(message, "To") == (one_line(name), "hotel@example.org")
    assert message["Subject"] == one_line(f"Rechnung INV-2026-0117: {name}")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b@example.com",
        "a b@example.com",
        "a@example.com\r\nBcc: evil@example.net",
        "a@example.com\n",
        "a@example.com, evil@example.net",
        "Evil <a@example.com>",
        "a@example.com\x00",
        "müller@example.com",
        f"a@{'b' * 300}.example",
    ],
)
@pytest.mark.parametrize("field", ["sender_address", "recipient_address", "reply_contact"])
def test_unusable_addresses_are_refused(field: str, address: str) -> None:
    values: dict[str, Any] = {field: address}
    of_content = field == "reply_contact"
    content = replace(INVOICE, **values) if of_content else INVOICE
    envelope = ENVELOPE if of_content else replace(ENVELOPE, **values)
    with pytest.raises(ValueError, match=r"\w"):
        build_mail(content, envelope)


def test_international_domains_travel_in_ascii() -> None:
    message = sent(envelope=replace(ENVELOPE, recipient_address="Post@straße.example"))
    assert mailbox(message, "To")[1] == "Post@xn--strae-oqa.example"


@pytest.mark.parametrize(
    "message_id",
    ["", "1@example.com", "<1>", "<1@example.com>\r\nBcc: a@b.c", "<1@é>", "<1 2@a>", "<a@b@c>"],
)
def test_malformed_message_ids_are_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        build_mail(INVOICE, replace(ENVELOPE, message_id=message_id))


def test_a_date_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        build_mail(INVOICE, replace(ENVELOPE, date=ENVELOPE.date.replace(tzinfo=None)))


@pytest.mark.parametrize("name", ["", "../a", 'a"; x="', "a\r\nb", "a\n", "é.pdf", "x" * 101])
def test_odd_filenames_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="filename"):
        replace(PDF, filename=name)


@pytest.mark.parametrize(
    "kind", ["", "pdf", "multipart/mixed", "message/rfc822", "text/csv\r\nX: 1"]
)
def test_odd_media_types_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        replace(PDF, media_type=kind)


@pytest.mark.parametrize(
    ("language", "countries", "spoken", "answers"),
    [
        ("en", (), "en", ["To pay", "CHF\xa01,234.50", "2 December 2026"]),
        ("en", ("US", "CH"), "en", ["To pay", "CHF\xa01,234.50", "December 2, 2026"]),
        ("de", ("DE", "CH"), "de", ["Zu zahlen", "CHF\xa01.234,50", "2. Dezember 2026"]),
        ("de", ("JP", "CH"), "de", ["Zu zahlen", "CHF\xa01’234.50", "2. Dezember 2026"]),  # noqa: RUF001
        ("de-CH", (), "de", ["Zu zahlen", "CHF\xa01.234,50", "2. Dezember 2026"]),
        ("fr", ("FR",), "fr", ["À payer", "CHF\xa01\u202f234,50", "2 décembre 2026"]),
        ("fr", ("CH",), "fr", ["À payer", "CHF\xa01\u202f234.50", "2 décembre 2026"]),
        ("it", ("IT",), "it", ["Da pagare", "CHF\xa01.234,50", "2 dicembre 2026"]),
        ("es", (), "en", ["To pay", "CHF\xa01,234.50", "2 December 2026"]),
        ("", (), "en", ["To pay", "CHF\xa01,234.50", "2 December 2026"]),
    ],
)
def test_languages(
    language: str, countries: tuple[str, ...], spoken: str, answers: list[str]
) -> None:
    message = sent(replace(INVOICE, language=language, countries=countries))
    assert message["Content-Language"] == spoken
    assert f'<html lang="{spoken}"' in body(message, "html")
    for form in ("plain", "html"):
        text = body(message, form)
        for answer in [*answers, "Musterfirma", "Plan Business", INVOICE.iban, INVOICE.number]:
            assert str(answer) in text


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Money(1500, "JPY"), "JPY\xa01,500"),
        (Money(1500, "KWD"), "KWD\xa01.500"),
        (Money(1500, "IQD"), "IQD\xa01.500"),  # CLDR would show no decimals
        (Money(-5, "EUR"), "EUR\xa0-0.05"),
        (Money(10**15 - 1, "EUR"), "EUR\xa09,999,999,999,999.99"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(amount: Money, written: str) -> None:
    assert voice_of("en").money(amount) == written


def test_every_language_fills_in_the_same_values() -> None:
    for key, text in TEXTS.items():
        assert isinstance(text, Text)
        fields = [{name for _, name, _, _ in string.Formatter().parse(t) if name} for t in text]
        assert fields == [fields[0]] * len(LANGUAGES), key
        assert all(text), key


def test_part_payment_shows_total_and_what_is_settled() -> None:
    for form in ("plain", "html"):
        text = body(sent(replace(INVOICE, open=Money(3450, "CHF"))), form)
        for amount in ("CHF\xa034.50", "CHF\xa01’234.50", "CHF\xa01’200.00"):  # noqa: RUF001
            assert amount in text
        assert "Bereits beglichen" not in body(sent(), form)


def test_settled_invoice_asks_for_nothing() -> None:
    for form in ("plain", "html"):
        text = body(sent(replace(INVOICE, open=Money(0, "CHF"))), form)
        assert "Nichts zu zahlen" in text
        for asking in ("IBAN", "Zahlbar bis", "So bezahlen Sie"):
            assert asking not in text


def test_how_to_pay() -> None:
    for form in ("plain", "html"):
        assert "RF18 5390" in body(sent(replace(INVOICE, payment_reference="RF18 5390")), form)
        compact = replace(INVOICE, iban="CH9300762011623852957")
        assert "CH93 0076 2011 6238 5295 7" in body(sent(compact), form)
        without = body(sent(replace(INVOICE, iban=None)), form)
        assert "Die Zahlungsangaben stehen im PDF im Anhang." in without
        assert "IBAN" not in without


def test_long_invoices_point_to_the_pdf() -> None:
    lines = tuple((f"Modul {n}.", None) for n in range(500))
    message = sent(replace(INVOICE, lines=lines))
    for form in ("plain", "html"):
        text = body(message, form)
        assert "Modul 11." in text
        assert "Modul 12." not in text
        assert "und 488 weitere" in text
    assert len(body(message, "html").encode()) < 102_000  # where Gmail cuts


def test_a_resend_says_so() -> None:
    subject = sent(replace(INVOICE, sent_again=True))["Subject"]
    assert subject == "Erneut gesendet: Rechnung INV-2026-0117: Wechsel auf Business"


@pytest.mark.parametrize("color", ["#ffd500", "#FFFFFF", "#000000", "#0b6b5d", "#7f7f7f", None])
def test_the_accent_can_be_read(color: str | None) -> None:
    light, dark = accent(color)
    assert contrast(light, "#f7f7f5") >= 4.5
    assert contrast(dark, "#1b1d21") >= 4.5


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("color", ["red", "#fff", "#0b6b5d;}", "#0b6b5d\n", "url(//e)", ""])
def test_only_a_colour_reaches_the_style_sheet(color: str) -> None:
    assert accent(color) == accent(None)


def test_a_template_cannot_leave_a_gap() -> None:
    with pytest.raises(UndefinedError):
        TEMPLATES.from_string("{{ mail.nmber }}").render(mail=INVOICE)


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = body(sent(), "html")
    assert re.search(r"https?:|src=|url\(|@import|<link|<script", html) is None
