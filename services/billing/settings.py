from typing import ClassVar

from shared.settings import Settings

__all__ = ["BillingSettings"]


class BillingSettings(Settings):
    """`render_processes`: how many PDFs are drawn at the same time."""

    service: ClassVar[str] = "billing"

    storage_url: str
    render_processes: int = 1
