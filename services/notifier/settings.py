from typing import ClassVar, Literal

from pydantic import Field

from shared.settings import Settings

__all__ = ["NotifierSettings"]


class NotifierSettings(Settings):
    """Where mail goes out.

    Attributes:
        mail_from: sender address; the seller's own address is used when empty.
        message_id_domain: right side of Message-IDs.
        send_at_once: mails under way at the same time; bounds the load on the mail server.
    """

    service: ClassVar[str] = "notifier"

    storage_url: str
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_timeout_s: float = 20.0
    mail_from: str = ""
    message_id_domain: str = "kontor.invalid"
    send_at_once: int = 8
