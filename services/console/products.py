"""Plans and modules as flat forms: texts per language, features, prices by currency and cycle."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.console.gateways import Refused

__all__ = ["CYCLES", "HANDLE", "Board", "body_of", "flat", "with_flat_errors"]

Kind = Literal["plans", "modules"]
CYCLES: Mapping[str, Mapping[str, str]] = {
    "plans": {"monthly": "Monthly", "yearly": "Yearly"},
    "modules": {"monthly": "Monthly", "yearly": "Yearly", "once": "Once"},
}
NEW = "new"
HANDLE = "handle"
"""The field of a key; `key` is the one of the form, by which it counts once."""
_LANGUAGES = ("en", "de", "fr", "it")
_TEXTS = {
    "plans": ("handle", "name", "description", "group", "max_users", "trial_days", "priority"),
    "modules": ("handle", "name", "description", "trial_days", "priority"),
}
_SWITCHES = {
    "plans": ("is_free", "recommended", "is_default"),
    "modules": ("is_free", "bookable"),
}
_NUMBERS = frozenset({"max_users", "trial_days", "priority"})


@dataclass(frozen=True, slots=True)
class Board:
    """What a form has rows for.

    Attributes:
        groups: id -> name.
        features: key -> label.
        modules: id -> name.
        currencies, languages: those there are rows for; one more may be added.
    """

    kind: Kind
    groups: Mapping[str, str]
    features: Mapping[str, str]
    modules: Mapping[str, str]
    currencies: Sequence[str]
    languages: Sequence[str]

    @classmethod
    def of(cls, kind: Kind, catalogue: Mapping[str, Any]) -> "Board":
        products = [*catalogue["plans"], *catalogue["modules"]]
        spoken = {language for product in products for language in product["translations"]}
        return cls(
            kind,
            {group["id"]: group["name"] for group in catalogue["groups"]},
            {feature["key"]: feature["label"] for feature in catalogue["features"]},
            {module["id"]: module["name"] for module in catalogue["modules"]},
            sorted({price["currency"] for product in products for price in product["prices"]}),
            [*_LANGUAGES, *sorted(spoken - set(_LANGUAGES))],
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all fields of the form."""
        return (
            *_TEXTS[self.kind],
            *_SWITCHES[self.kind],
            *(
                f"{text}.{row}"
                for row in (*self.languages, NEW)
                for text in ("name", "description")
            ),
            *("language.new", "currency.new"),
            *(f"{part}.{key}" for key in self.features for part in ("feature", "value")),
            *(f"include.{module}" for module in self.modules if self.kind == "plans"),
            *(
                f"{part}.{row}"
                for row in (*self.currencies, NEW)
                for part in ("basis", "vat", *(f"price.{cycle}" for cycle in CYCLES[self.kind]))
            ),
        )


def flat(product: Mapping[str, Any], board: Board) -> dict[str, str]:
    """The texts that stand in the form of a product, and its version."""
    made = dict.fromkeys(board.fields, "")
    made |= {
        name: str(product.get("key" if name == HANDLE else name, "")) for name in _TEXTS[board.kind]
    }
    made |= {name: _switch(product[name]) for name in _SWITCHES[board.kind]}
    made |= {"version": str(product["version"])}
    if board.kind == "plans":
        made["group"] = str(product["group_id"] or "")
    for language, texts in product["translations"].items():
        made |= {f"{name}.{language}": text for name, text in texts.items()}
    for key, value in product["features"].items():
        made[f"feature.{key}"] = _switch(value, off="off") if isinstance(value, bool) else "value"
        made[f"value.{key}"] = "" if isinstance(value, bool) else value
    made |= {f"include.{module}": "on" for module in product["included_modules"]}
    for row in (*board.currencies, NEW):
        made |= {f"basis.{row}": "net", f"vat.{row}": "standard"}
    for price in reversed(product["prices"]):
        row = price["currency"]
        made |= {f"basis.{row}": price["basis"], f"vat.{row}": price["vat_category"]}
        made[f"price.{price['cycle']}.{row}"] = price["unit_price"] or ""
    return {name: text for name, text in made.items() if name in {*board.fields, "version"}}


def _switch(value: object, off: str = "") -> str:
    return "on" if value else off


def body_of(typed: Mapping[str, str], was: Mapping[str, str], board: Board) -> dict[str, Any]:
    """What has been typed as the API takes it: only what differs from before."""
    changed = {name for name, text in typed.items() if text != was.get(name, "")}
    body: dict[str, Any] = {
        "key" if name == HANDLE else name: _number(typed[name]) if name in _NUMBERS else typed[name]
        for name in _TEXTS[board.kind]
        if name in changed
    }
    body |= {name: typed[name] == "on" for name in _SWITCHES[board.kind] if name in changed}
    if _any(changed, "name.", "description.", "language."):
        body["translations"] = _translations(typed, board)
    if _any(changed, "feature.", "value."):
        body["features"] = {
            key: _feature(typed, key) for key in board.features if typed[f"feature.{key}"]
        }
    if _any(changed, "include."):
        body["included_modules"] = [m for m in board.modules if typed[f"include.{m}"]]
    if prices := list(_prices(typed, was, changed, board)):
        body["prices"] = prices
    return body


def _number(text: str) -> int | str:
    """What is no number is sent as it is: the service says what is wrong with it."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def _any(changed: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in changed)


def _translations(typed: Mapping[str, str], board: Board) -> dict[str, dict[str, str]]:
    found = {}
    for row in (*board.languages, NEW):
        language = typed["language.new"] if row == NEW else row
        texts = {t: typed[f"{t}.{row}"] for t in ("name", "description") if typed[f"{t}.{row}"]}
        if texts or (row == NEW and language):
            found[language] = texts
    return found


def _feature(typed: Mapping[str, str], key: str) -> bool | str:
    chosen = typed[f"feature.{key}"]
    return typed[f"value.{key}"] if chosen == "value" else chosen == "on"


def _prices(
    typed: Mapping[str, str], was: Mapping[str, str], changed: set[str], board: Board
) -> Iterable[dict[str, Any]]:
    for row in (*board.currencies, NEW):
        terms = {"basis": typed[f"basis.{row}"], "vat_category": typed[f"vat.{row}"]}
        other_terms = {f"basis.{row}", f"vat.{row}"} & changed
        for cycle in CYCLES[board.kind]:
            name = f"price.{cycle}.{row}"
            amount = typed[name].replace("'", "")
            if name in changed or (other_terms and was.get(name)):
                currency = typed["currency.new"].upper() if row == NEW else row
                # One that is taken away is on request from now on: prices are never deleted.
                yield {"currency": currency, "cycle": cycle, "unit_price": amount or None, **terms}


def with_flat_errors(refused: Refused, body: Mapping[str, Any], board: Board) -> Refused:
    """The same refusal, by the names of the form's fields, and with what there is now as texts."""
    problem = dict(refused.problem)
    if current := problem.get("current"):
        problem["current"] = flat(current, board)
    found = Refused(refused.status, problem)
    found.errors = {
        _field(str(error.get("field", "")), body, board): str(error.get("rule", ""))
        for error in problem.get("errors", ())
    }
    return found


def _field(name: str, body: Mapping[str, Any], board: Board) -> str:
    if match := re.match(r"prices\[(\d+)\]\.?(\w*)", name):
        price = body["prices"][int(match[1])]
        row = price["currency"] if price["currency"] in board.currencies else NEW
        part = {"basis": "basis", "vat_category": "vat"}.get(match[2], f"price.{price['cycle']}")
        return "currency.new" if match[2] == "currency" and row == NEW else f"{part}.{row}"
    if match := re.match(r"translations\.([^.]+)(?:\.(name|description))?", name):
        row = match[1] if match[1] in board.languages else NEW
        return f"{match[2]}.{row}" if match[2] else "language.new"
    if key := next((k for k in board.features if f"{name}.".startswith(f"features.{k}.")), None):
        return f"feature.{key}"
    first = re.split(r"[.\[]", name)[0]
    return HANDLE if first == "key" else first
