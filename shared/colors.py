"""Colours that can be read: a brand's own may be too light or too dark for text."""

import re
from typing import Final

__all__ = ["readable"]

_READABLE: Final = 4.5  # contrast for text in WCAG 2 AA
_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")

RGB = tuple[int, ...]


def readable(color: str | None, paper: str) -> str | None:
    """Shade a colour until it reads as text on this paper; None when it is not #rrggbb."""
    if not color or not _HEX.fullmatch(color):
        return None
    own, ground = _channels(color), _channels(paper)
    towards = 0 if _luminance(ground) > _luminance((128,) * 3) else 255
    for percent in range(0, 101, 5):
        shaded = tuple(round(c + (towards - c) * percent / 100) for c in own)
        if _contrast(shaded, ground) >= _READABLE:
            break
    return f"#{bytes(shaded).hex()}"


def _channels(color: str) -> RGB:
    return tuple(bytes.fromhex(color[1:]))


def _contrast(one: RGB, other: RGB) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: RGB) -> float:
    red, green, blue = (_linear(channel / 255) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    dark = channel <= 0.04  # noqa: PLR2004 - sRGB's straight start
    return channel / 12.92 if dark else ((channel + 0.055) / 1.055) ** 2.4
