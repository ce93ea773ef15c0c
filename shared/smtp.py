"""Handing a mail to the mail server, and reading its answer."""

from email.message import EmailMessage
from typing import Literal

import aiosmtplib
from pydantic import Field

from shared.retries import SendFailure
from shared.settings import Settings

__all__ = ["Mailer", "SmtpSettings"]


class SmtpSettings(Settings):
    """Settings of a service that sends mail."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_timeout_s: float = 20.0


class Mailer:
    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    async def send(self, message: EmailMessage) -> SendFailure | None:
        """Send one mail; returns why it was not taken, or None when it was."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password or None,
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                timeout=settings.smtp_timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return SendFailure(refused.code, refused.message)
        except aiosmtplib.SMTPConnectResponseError as error:
            # A server that greets with 5xx refuses the connection, not this mail (RFC 5321, 3.1).
            return SendFailure(None, f"{error.code} {error.message}")
        except aiosmtplib.SMTPResponseException as error:
            return SendFailure(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return SendFailure(None, f"{type(error).__name__}: {error}")
        return None
