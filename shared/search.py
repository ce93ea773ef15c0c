"""Searching by words that are half typed, misspelt, or written without diacritics.

A text is folded to words (`Zürich`, `zurich` and `Zuerich` become `zurich`). A word is found by
its *keys*: itself, its beginnings, and its beginning of seven letters with one letter left out.
Two words that differ by one letter added, lost, changed or swapped share such a key ("symmetric
delete", as in SymSpell), so a search asks for a handful of keys instead of comparing words. What
it finds that way are candidates; `rank` compares them with what was typed.

A common word (`gmbh`) has hundreds of thousands of candidates, and reading its list takes longer
than a person waits. So every key exists twice: for a *sample* of one in sixteen, which is asked
first and has enough of what is common, and for the rest, where only lists of rare keys are ever
read.
"""

import re
from collections.abc import Iterable, Sequence
from unicodedata import combining, normalize
from uuid import UUID
from zlib import crc32

from rapidfuzz.distance import OSA

__all__ = [
    "PARTS",
    "exact_keys",
    "fold",
    "keys_of",
    "label_keys",
    "misspelt_keys",
    "prefix_keys",
    "query_words",
    "rank",
]

PARTS = ("sample", "rest")
_SAMPLE_ONE_IN = 16

_WORD = re.compile(r"[^\W_]+")
# Letters that Unicode does not take apart, and two-letter spellings of umlauts: all written short.
_LETTERS = str.maketrans({"ø": "o", "æ": "a", "œ": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
_UMLAUTS = re.compile("([aou])e+")
_WORDS_MAX = 40  # of what is searched
_QUERY_WORDS_MAX = 6
_QUERY_CHARS_MAX = 30  # of a word
_PREFIX_MIN, _PREFIX_MAX = 2, 10
_TYPO_MIN, _TYPO_PREFIX = 4, 7
_TWO_TYPOS_MIN = 8


def fold(text: str) -> str:
    """The text without case, diacritics and the difference between `ü` and `ue`."""
    plain = text.casefold()
    if not plain.isascii():
        # Twice: what is taken apart may be a capital letter, as raised and circled ones are.
        apart = normalize("NFKD", normalize("NFKD", plain).casefold())
        plain = "".join(c for c in apart if not combining(c)).translate(_LETTERS)
    return _UMLAUTS.sub(r"\1", plain)


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text))


def _distinct(text: str) -> list[str]:
    found = dict.fromkeys(_words(text))
    return [word for word in found if len(word) >= _PREFIX_MIN][:_WORDS_MAX]


def _keys(part: str, texts: Iterable[str]) -> list[int]:
    """32 bits as PostgreSQL's integers; two texts in one key only cost a candidate too many."""
    return sorted({crc32(f"{part} {text}".encode()) - (1 << 31) for text in texts})


def _shortened(word: str) -> set[str]:
    if len(word) < _TYPO_MIN:
        return set()
    start = word[:_TYPO_PREFIX]
    return {start, *(start[:i] + start[i + 1 :] for i in range(len(start)))}


def keys_of(ident: UUID, text: str, labels: Iterable[str] = ()) -> list[int]:
    """All keys under which something with this text is found, and with these labels narrowed."""
    texts = set(labels)
    for word in _distinct(text):
        texts |= {f"={word}", *_shortened(word)}
        texts |= {word[:n] for n in range(_PREFIX_MIN, min(len(word), _PREFIX_MAX) + 1)}
    sample, rest = PARTS
    return _keys(rest if ident.int % _SAMPLE_ONE_IN else sample, texts)


def label_keys(part: str, labels: Iterable[str]) -> list[int]:
    """Keys of labels, so that a filter narrows a search and does not slow it."""
    return _keys(part, labels)


def query_words(text: str) -> list[str]:
    """The words of a search; single letters say nothing beside others."""
    words = [word[:_QUERY_CHARS_MAX] for word in dict.fromkeys(_words(text))]
    longer = [word for word in words if len(word) >= _PREFIX_MIN]
    return longer[:_QUERY_WORDS_MAX]


def exact_keys(part: str, words: Iterable[str]) -> list[int]:
    return _keys(part, [f"={word}" for word in words])


def prefix_keys(part: str, words: Iterable[str]) -> list[int]:
    return _keys(part, [word[:_PREFIX_MAX] for word in words])


def misspelt_keys(part: str, words: Iterable[str]) -> list[list[int]]:
    """For each word the keys of all that it may have been meant to be."""
    return [_keys(part, [word[:_PREFIX_MAX], *_shortened(word)]) for word in words]


def rank(words: Sequence[str], text: str) -> int | None:
    """How far something is from the words that were typed, 0 for all of them exactly.

    None when one of the words means nothing in `text`, which is all that is searched of it.
    """
    found = _distinct(text)
    far = [_distance(word, found) for word in words]
    return None if None in far else sum(filter(None, far))


def _distance(typed: str, words: Iterable[str]) -> int | None:
    """0 the word itself, 1 its beginning, 2 and more with so many errors, in word or beginning."""
    errors_max = 0 if len(typed) < _TYPO_MIN else 1 if len(typed) < _TWO_TYPOS_MIN else 2
    best: int | None = None
    for word in words:
        if word == typed:
            return 0
        if word.startswith(typed):
            best = 1
        elif errors_max and (best is None or best > 1):
            errors = min(
                OSA.distance(typed, target, score_cutoff=errors_max)
                for target in {word, word[: len(typed)]}
            )
            if errors <= errors_max and (best is None or errors + 1 < best):
                best = errors + 1
    return best
