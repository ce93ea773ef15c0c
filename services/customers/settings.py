from typing import ClassVar

from shared.settings import Settings

__all__ = ["CustomersSettings"]


class CustomersSettings(Settings):
    service: ClassVar[str] = "customers"
