from typing import ClassVar

from shared.settings import EdgeSettings

__all__ = ["GatewaySettings"]


class GatewaySettings(EdgeSettings):
    """Only the address; each API reads its own settings."""

    service: ClassVar[str] = "gateway"
