"""One accent colour per seller, readable on light and on dark paper."""

from typing import Final, NamedTuple

from shared.colors import readable

_LIGHT_PAPER: Final = "#f7f7f5"
_DARK_PAPER: Final = "#1b1d21"


class Accent(NamedTuple):
    light: str
    dark: str


_KONTOR: Final = Accent("#0b6b5d", "#4cc2ae")


def accent(brand_color: str | None) -> Accent:
    """Shade the brand colour until it reads as text; what is not #rrggbb never reaches the CSS."""
    light, dark = readable(brand_color, _LIGHT_PAPER), readable(brand_color, _DARK_PAPER)
    return Accent(light, dark) if light and dark else _KONTOR
