"""Text the typeface can show.

Under PDF/A a character without a glyph is an error, and one odd name must not stop an
invoice: what cannot be shown is replaced visibly and reported.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import font_source_sans_pro

FONT_FILES = tuple(
    Path(font_source_sans_pro.font_directory) / f"SourceSansPro-{weight}.otf"
    for weight in ("Regular", "Semibold")
)

REPLACEMENT = "?"  # the typeface has neither U+FFFD nor an empty box

_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_ALIKE = str.maketrans("\t\u2010\u2011", " --")
# A word longer than any column may break after every few characters; others stay whole.
_ENDLESS_WORD = re.compile(r"\S{31,}")
_BREAKABLE_RUN = re.compile(r"\S{6}(?=\S)")
_FORMAT_SEGMENTED_COVERAGE = 12
_ZERO_WIDTH_SPACE = "\u200b"


class Cleaner:
    """Makes strings safe to set, and remembers which characters were lost on the way."""

    def __init__(self) -> None:
        self.replaced: set[str] = set()

    def clean(self, text: str) -> str:
        """Return the text as it can be shown; invisible formatting characters are dropped.

        Among those are the bidirectional controls, which could show an amount reversed.
        """
        text = _LINE_BREAKS.sub("\n", unicodedata.normalize("NFC", text)).translate(_ALIKE)
        if missing := set(text) - covered_characters():
            text = text.translate({ord(char): self._stand_in(char) for char in missing})
        return _ENDLESS_WORD.sub(
            lambda word: _BREAKABLE_RUN.sub(rf"\g<0>{_ZERO_WIDTH_SPACE}", word[0]), text
        )

    def _stand_in(self, char: str) -> str:
        if unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f":
            return ""
        plain = unicodedata.normalize("NFKD", char)  # e.g. full-width letters, odd hyphens
        if plain != char and covered_characters().issuperset(plain):
            return plain
        self.replaced.add(char)
        return REPLACEMENT


@cache
def covered_characters() -> frozenset[str]:
    """Return every character all faces have a glyph for, and the line break."""
    faces = [frozenset(_mapped_characters(path.read_bytes())) for path in FONT_FILES]
    return frozenset.intersection(*faces) - {_ZERO_WIDTH_SPACE} | {"\n"}


def _mapped_characters(font: bytes) -> Iterable[str]:
    """Read the character map of an OpenType font (OpenType 1.9, `cmap`, format 12)."""
    table_count = struct.unpack_from(">H", font, 4)[0]
    tables = {
        tag: offset
        for tag, _, offset, _ in struct.iter_unpack(">4sIII", font[12 : 12 + 16 * table_count])
    }
    cmap = tables[b"cmap"]
    subtable_count = struct.unpack_from(">H", font, cmap + 2)[0]
    for index in range(subtable_count):
        subtable = cmap + struct.unpack_from(">I", font, cmap + 8 + 8 * index)[0]
        if struct.unpack_from(">H", font, subtable)[0] == _FORMAT_SEGMENTED_COVERAGE:
            break
    else:
        raise ValueError("the font has no character map of format 12")
    group_count = struct.unpack_from(">I", font, subtable + 12)[0]
    groups = font[subtable + 16 : subtable + 16 + 12 * group_count]
    for first, last, _glyph in struct.iter_unpack(">III", groups):
        yield from map(chr, range(first, last + 1))
