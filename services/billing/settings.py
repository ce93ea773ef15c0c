from typing import ClassVar

from pydantic import Field

from shared.settings import Settings

__all__ = ["BillingSettings"]


class BillingSettings(Settings):
    """Secrets of providers: several apart by commas or spaces; none: its messages are refused.

    Attributes:
        render_processes: how many PDFs are drawn at the same time.
        stripe_secrets: of Stripe's webhook endpoints, `whsec_...`.
        standard_secrets: of senders of Standard Webhooks, base64, with or without `whsec_`.
    """

    service: ClassVar[str] = "billing"

    storage_url: str
    render_processes: int = 1
    stripe_secrets: str = Field("", repr=False)
    standard_secrets: str = Field("", repr=False)
