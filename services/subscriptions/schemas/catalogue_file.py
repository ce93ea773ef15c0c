"""Catalogues as YAML files, which people write by hand (JSON is YAML too).

Only what such a file needs is understood: mappings, lists, texts, `true`, `false`, `null` and whole
numbers (YAML 1.2, core schema: `no` is a text). Aliases are refused, for a few of them can stand
for any amount of data, and so are keys that come twice.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.subscriptions.schemas.catalogue import CatalogueIn
from shared.errors import InputInvalid

__all__ = ["CatalogueFile", "read_file", "write_file"]

_DEPTH_MAX = 20
_NODES_MAX = 200_000
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# Of these the digits count as they are written: 19.00 is an amount, and never a float.
_TEXTS = frozenset({"unit_price", "features"})

Location = tuple[str | int, ...]


class CatalogueFile:
    """A catalogue that was read, and in which line each of its parts stands."""

    def __init__(self, document: CatalogueIn, lines: Mapping[Location, int]) -> None:
        self.document = document
        self._lines = {_dotted(location): line for location, line in lines.items()}

    def located(self, error: InputInvalid) -> InputInvalid:
        """The same refusal with the line it is about."""
        (wrong,) = error.errors
        field = wrong.field
        while field and field not in self._lines:
            field = field[: max(field.rfind("."), field.rfind("["), 0)]
        line = self._lines.get(field)
        return InputInvalid(wrong.field, f"{wrong.rule} (line {line})") if line else error


def read_file(content: bytes) -> CatalogueFile:
    """Read a catalogue; takes long with a large one, so not on the event loop.

    Raises:
        InputInvalid: it is not such a YAML document; names the line.
        RequestValidationError: values break rules; each with field, rule and line.
    """
    reader = _Reader(content)
    data = reader.document()
    try:
        return CatalogueFile(CatalogueIn.model_validate(data), reader.lines)
    except ValidationError as invalid:
        raise RequestValidationError(
            [
                {**error, "loc": ("body", *error["loc"]), "msg": reader.with_line(error)}
                for error in invalid.errors(include_url=False)
            ]
        ) from invalid


def write_file(document: Mapping[str, Any]) -> str:
    text: str = yaml.dump(
        document,
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return text


def _dotted(location: Location) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


class _Reader:
    """Makes plain data of the events of a YAML document."""

    def __init__(self, content: bytes) -> None:
        self.lines: dict[Location, int] = {}
        self._events = self._parsed(content)
        self._nodes = 0

    def with_line(self, error: Any) -> str:
        location = tuple(error["loc"])
        while location and location not in self.lines:
            location = location[:-1]
        line = self.lines.get(location)
        rule = str(error["msg"]).removeprefix("Value error, ")
        return f"{rule} (line {line})" if line else rule

    def document(self) -> Any:
        for wanted in (yaml.StreamStartEvent, yaml.DocumentStartEvent):
            event = next(self._events)
            if not isinstance(event, wanted):
                raise InputInvalid("file", "must not be empty")
        data = self._node(next(self._events), ())
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise InputInvalid("file", "must be one YAML document")
        if not isinstance(data, dict):
            raise InputInvalid("file", "must be a mapping of groups, features, modules and plans")
        return data

    def _parsed(self, content: bytes) -> Iterator[Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            # A byte order mark in front is what some editors write.
            yield from yaml.parse(content.decode("utf-8-sig"), Loader=loader)
        except UnicodeDecodeError as error:
            raise InputInvalid("file", "must be UTF-8") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "it has characters YAML has not"
            where = f" (line {mark.line + 1})" if mark else ""
            raise InputInvalid("file", f"must be YAML: {problem}{where}") from error

    def _node(self, event: Any, location: Location) -> Any:
        line = event.start_mark.line + 1
        self.lines[location] = line
        self._nodes += 1
        refused = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            refused = "must not have anchors and aliases"
        elif getattr(event, "tag", None) not in (None, "!"):
            refused = f"must not have tags such as {event.tag}"
        elif len(location) > _DEPTH_MAX or self._nodes > _NODES_MAX:
            refused = "is nested too deep or too large"
        if refused:
            raise InputInvalid(_dotted(location) or "file", f"{refused} (line {line})")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(location)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(location)
        return _scalar(event, location)

    def _mapping(self, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                rule = f"must have texts as keys (line {line})"
                raise InputInvalid(_dotted(location) or "file", rule)
            key = event.value
            if key in found:
                raise InputInvalid(_dotted((*location, key)), f"comes twice (line {line})")
            found[key] = self._node(next(self._events), (*location, key))
            self.lines[*location, key] = line
        return found

    def _sequence(self, location: Location) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._node(event, (*location, len(found))))
        return found


def _scalar(event: Any, location: Location) -> Any:
    text: str = event.value
    if not event.implicit[0]:  # in quotes
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _TEXTS.isdisjoint(location) and _INTEGER.fullmatch(text):
        return int(text)
    return text
