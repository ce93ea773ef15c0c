"""One accent colour per seller, readable on light and on dark paper."""

import re
from typing import Final, NamedTuple

_LIGHT_PAPER: Final = (247, 247, 245)
_DARK_PAPER: Final = (27, 29, 33)
_READABLE: Final = 4.5  # contrast for text in WCAG 2 AA

RGB = tuple[int, ...]


class Accent(NamedTuple):
    light: str
    dark: str


_KONTOR: Final = Accent("#0b6b5d", "#4cc2ae")


def accent(brand_color: str | None) -> Accent:
    """Shade the brand colour until it reads as text; what is not #rrggbb never reaches the CSS."""
    if not brand_color or not re.fullmatch(r"#[0-9a-fA-F]{6}", brand_color):
        return _KONTOR
    brand = tuple(bytes.fromhex(brand_color[1:]))
    return Accent(_shade(brand, 0, _LIGHT_PAPER), _shade(brand, 255, _DARK_PAPER))


def _shade(brand: RGB, towards: int, paper: RGB) -> str:
    for percent in range(0, 101, 5):
        color = tuple(round(c + (towards - c) * percent / 100) for c in brand)
        if _contrast(color, paper) >= _READABLE:
            break
    return f"#{bytes(color).hex()}"


def _contrast(one: RGB, other: RGB) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: RGB) -> float:
    red, green, blue = (_linear(channel / 255) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    dark = channel <= 0.04  # noqa: PLR2004 - sRGB's straight start
    return channel / 12.92 if dark else ((channel + 0.055) / 1.055) ** 2.4
