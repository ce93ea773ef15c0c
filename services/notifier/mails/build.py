"""From content and envelope to the bytes a mail server takes: same input, same bytes."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.mails.accent import accent
from services.notifier.mails.headers import (
    address_header,
    date_header,
    message_id_header,
    one_line,
    text_header,
)
from services.notifier.mails.kinds import MailContent
from services.notifier.mails.voice import voice_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    filename: str  # ours, not a customer's: letters, digits, and " ._-" only
    media_type: str
    content: bytes

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w .-]{0,99}", self.filename, re.ASCII):
            raise ValueError(f"not a filename for a mail: {self.filename!r}")
        if not re.fullmatch(r"(application|image|text)/[a-z0-9.+-]{1,99}", self.media_type):
            raise ValueError(f"not a media type for a mail: {self.media_type!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Everything about a mail that is not its content; nothing here is read from a clock."""

    sender_name: str
    sender_address: str
    recipient_name: str
    recipient_address: str
    message_id: str  # stable over retries: receivers drop the second copy by it
    date: datetime
    attachments: tuple[Attachment, ...] = ()


def build_mail(content: MailContent, envelope: Envelope) -> EmailMessage:
    """Build the mail; what counts are its `as_bytes()`.

    Texts and names are taken as they are. ValueError means that no mail can be made: an address,
    Message-ID, filename or media type of the wrong form, or a date without a zone.
    """
    voice = voice_of(content.language, *content.countries)
    subject = content.subject(voice)
    if content.sent_again:
        subject = voice.say("sent_again", subject=subject)

    message = EmailMessage(policy=SMTP)
    message["From"] = address_header("From", envelope.sender_name, envelope.sender_address)
    message["To"] = address_header("To", envelope.recipient_name, envelope.recipient_address)
    message["Reply-To"] = address_header("Reply-To", content.seller_name, content.reply_contact)
    message["Subject"] = text_header("Subject", subject)
    message["Date"] = date_header(envelope.date)
    message["Message-ID"] = message_id_header(envelope.message_id)
    message["Auto-Submitted"] = "auto-generated"  # no out-of-office answers (RFC 3834)

    context = {
        "mail": content,
        "subject": subject,
        "files": ", ".join(attachment.filename for attachment in envelope.attachments),
        "accent": accent(content.brand_color),
        "language": voice.language,
        "say": voice.say,
        "money": voice.money,
        "date": voice.date,
    }
    text, html = (
        TEMPLATES.get_template(f"{content.kind}.{form}.jinja").render(context)
        for form in ("txt", "html")
    )
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    for attachment in envelope.attachments:
        maintype, subtype = attachment.media_type.split("/")
        message.add_attachment(attachment.content, maintype, subtype, filename=attachment.filename)
    message["Content-Language"] = voice.language  # here, since every new part takes such headers

    # No part can contain "=_": quoted-printable escapes the "=", base64 has no "_".
    seed = sha256(envelope.message_id.encode()).hexdigest()[:32]
    for depth, part in enumerate(p for p in message.walk() if p.is_multipart()):
        part.set_boundary(f"=_{depth}_{seed}")
    return message


def _only_one_line(value: object) -> object:
    """No value may fake lines of the text mail; Markup comes from the templates themselves."""
    return one_line(value) if type(value) is str else value


# Written by developers, so the values are the only strangers here.
TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html.jinja"]),
    undefined=StrictUndefined,
    finalize=_only_one_line,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
