from typing import ClassVar

from shared.smtp import SmtpSettings

__all__ = ["NotifierSettings"]


class NotifierSettings(SmtpSettings):
    """Where mail goes out.

    Attributes:
        mail_from: sender address; the seller's own address is used when empty.
        message_id_domain: right side of Message-IDs.
        send_at_once: mails under way at the same time; bounds the load on the mail server.
    """

    service: ClassVar[str] = "notifier"

    storage_url: str
    mail_from: str = ""
    message_id_domain: str = "kontor.invalid"
    send_at_once: int = 8
