"""Header values that survive what customers are called.

The standard library decodes an encoded word inside a name and writes it back unencoded: in 3.11
`=?utf-8?q?=0D=0ABcc:...?=` as a company name becomes a header of its own, and a long name with
commas becomes several recipients. So names and subjects are put on the wire here: as plain words
where they are nothing else, otherwise as encoded words, which carry any text literally.
"""

import re
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.policy import Policy
from email.utils import format_datetime
from typing import Final, Self

from email_validator import validate_email

# What goes out as it is: short enough never to fold, and nothing that could be decoded.
_PLAIN_TEXT: Final = re.compile(r"(?!.*=\?)[ -~]{0,60}")
_PLAIN_NAME: Final = re.compile(r"(?!.*  )[A-Za-z0-9!#$%&'*+/^_`{|}~ -]{1,60}")  # atoms only
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,200}>")
# Controls, line ends, marks that reverse the reading direction, and lone surrogates.
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)


def one_line(text: str) -> str:
    """Text on one line without control characters; everything visible stays as given."""
    return _UNSEEN.sub(" ", text).strip()


class HeaderLine(str):
    """Reads as text and folds to the wire form given, untouched by the library's parser."""

    __slots__ = ("name", "wire")
    name: str
    wire: str

    @classmethod
    def of(cls, name: str, text: str, wire: str) -> Self:
        line = cls(text)
        line.name, line.wire = name, wire
        return line

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self.wire}{policy.linesep}"


def text_header(name: str, text: str) -> HeaderLine:
    text = one_line(text)
    plain = _PLAIN_TEXT.fullmatch(text)
    return HeaderLine.of(name, text, text if plain else _encoded(name, text))


def address_header(name: str, display_name: str, address: str) -> HeaderLine:
    """Name and address; an address SMTP cannot carry raises ValueError."""
    # Which domains exist is for the mail server to say: here only the form counts.
    mailbox = validate_email(
        address, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False
    ).ascii_email
    display_name = one_line(display_name)
    if not display_name:
        return HeaderLine.of(name, str(mailbox), str(mailbox))
    plain = _PLAIN_NAME.fullmatch(display_name)
    phrase = display_name if plain else _encoded(name, display_name)
    text = str(Address(display_name, addr_spec=mailbox))
    return HeaderLine.of(name, text, f"{phrase} <{mailbox}>")


def message_id_header(message_id: str) -> HeaderLine:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a Message-ID is <left@right> in printable ASCII")
    return HeaderLine.of("Message-ID", message_id, message_id)


def date_header(instant: datetime) -> HeaderLine:
    if instant.utcoffset() is None:
        raise ValueError("the date of a mail needs a zone")
    text = format_datetime(instant)
    return HeaderLine.of("Date", text, text)


def _encoded(name: str, text: str) -> str:
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")
