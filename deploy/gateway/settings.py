from typing import ClassVar

from pydantic import Field

from shared.settings import Settings

__all__ = ["GatewaySettings"]


class GatewaySettings(Settings):
    """Only the address; each API reads its own settings. It has no database."""

    service: ClassVar[str] = "gateway"

    database_url: str = Field(default="", repr=False)
