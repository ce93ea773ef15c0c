from typing import ClassVar

from pydantic import Field

from shared.smtp import SmtpSettings

__all__ = ["IdentitySettings"]


class IdentitySettings(SmtpSettings):
    """Who signs in, and how long it lasts.

    Attributes:
        key_encryption_key: 32 random bytes as URL-safe base64; seals signing keys and TOTP secrets
            in the database. Without it they stand there as they are.
        mail_from: sender address of password mails.
        console_url: what links in mails begin with.
        client_token_s: life of an API client's token, seconds.
        operator_token_s: life of the token a session is swapped for, seconds.
        session_hours: a session ends after this long in any case.
        session_idle_minutes: and when it is not used for this long.
        reset_minutes: how long the link of a password mail can be used.
        key_days: a new signing key begins to sign after this many days.
    """

    service: ClassVar[str] = "identity"

    key_encryption_key: str = Field(default="", repr=False)
    mail_from: str = "kontor@kontor.invalid"
    console_url: str = "http://127.0.0.1:8080"
    client_token_s: int = Field(default=900, ge=60, le=3600)
    operator_token_s: int = Field(default=300, ge=60, le=3600)
    session_hours: int = 12
    session_idle_minutes: int = 60
    reset_minutes: int = 30
    key_days: int = Field(default=30, ge=1)
