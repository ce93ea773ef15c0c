from typing import ClassVar

from shared.settings import Settings

__all__ = ["GatewaySettings"]


class GatewaySettings(Settings):
    """Only the address; each API reads its own settings. It has no database."""

    service: ClassVar[str] = "gateway"

    database_url: str = ""
