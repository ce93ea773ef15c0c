"""Editing what somebody else may edit at the same time: nobody's words are lost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.console.desk import Form
from services.console.gateways import Refused

__all__ = ["Draft", "blank_draft", "draft_of", "plain_number", "read_draft", "refused_draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in a form.

    Attributes:
        typed: field -> text, as the operator has it.
        was: the same, as it was when the form was opened.
        version: of the thing when it was opened.
        theirs: field -> text, for what somebody else has changed meanwhile.
        errors: field -> rule it breaks.
    """

    typed: Mapping[str, str]
    was: Mapping[str, str]
    version: str
    theirs: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def changed(self) -> dict[str, str]:
        """Only what the operator has changed is sent, so that nothing else is overwritten."""
        return {name: text for name, text in self.typed.items() if text != self.was.get(name, "")}

    @property
    def was_json(self) -> str:
        return json.dumps(dict(self.was))


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def draft_of(thing: Mapping[str, Any], fields: tuple[str, ...]) -> Draft:
    shown = {name: _text(thing[name]) for name in fields}
    return Draft(shown, shown, str(thing["version"]))


def read_draft(form: Form, fields: tuple[str, ...]) -> Draft:
    try:
        was = json.loads(form["was"] or "{}")
    except ValueError:
        was = {}
    known = was if isinstance(was, dict) else {}
    texts = {name: str(known.get(name, "")) for name in fields}
    version = form["version"] if form["version"].isdecimal() else ""
    return Draft({name: form[name] for name in fields}, texts, version)


def blank_draft(texts: Mapping[str, str]) -> Draft:
    """Of a thing that is still to be made."""
    return Draft(texts, texts, "")


def refused_draft(mine: Draft, refused: Refused) -> Draft:
    """What the form shows next: nothing that was typed is lost.

    When somebody else was faster (412), their changes come in, below mine where both touched a
    field, and saving again is a decision.
    """
    if current := refused.problem.get("current"):
        now = draft_of(current, tuple(mine.typed))
        theirs = {name: text for name, text in now.was.items() if text != mine.was[name]}
        return Draft({**now.was, **mine.changed}, now.was, now.version, theirs)
    trouble = "" if refused.errors else refused.detail
    return replace(mine, errors=refused.errors, trouble=trouble)


def plain_number(text: str) -> str:
    """A number as people write it, as the API takes it: `1'234.50` and `1 234.50` are one."""
    for separator in ("'", "\u2019", " ", "\u00a0", "\u202f"):
        text = text.replace(separator, "")
    return text
