"""How invoices and credit notes are numbered."""

from dataclasses import dataclass
from datetime import date

from shared.events.billing import SellerSeries, SettingsChanged

__all__ = ["Series", "credit_note_series", "invoice_series"]


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers such as INV-2026-0117, or INV-0117 where they do not begin anew each year.

    `start`: the first number under this prefix; a later year begins with 1.
    """

    prefix: str
    yearly: bool = True
    start: int = 1

    def year_of(self, day: date) -> int:
        """Which row of the series counts that day; 0: there is one for all years."""
        return day.year if self.yearly else 0

    def text(self, day: date, number: int) -> str:
        year = f"{day.year}-" if self.yearly else ""
        return f"{self.prefix}-{year}{number:04d}"


def invoice_series(settings: SettingsChanged | None) -> Series:
    return _series(settings.invoice_numbers if settings else None, "INV")


def credit_note_series(settings: SettingsChanged | None) -> Series:
    return _series(settings.credit_note_numbers if settings else None, "CN")


def _series(chosen: SellerSeries | None, usual: str) -> Series:
    return Series(chosen.prefix, chosen.yearly, chosen.start) if chosen else Series(usual)
