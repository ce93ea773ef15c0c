"""A browser without scripts: reads pages, follows links, fills in forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx

__all__ = ["Form", "Page", "Person"]


@dataclass
class Form:
    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def filled(self, typed: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
        """The fields as a browser sends them, with what a person typed over them."""
        kept = [(name, value) for name, value in self.fields if name not in typed]
        for name, value in typed.items():
            kept += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return kept


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[Form] = []
        self._select = self._area = ""
        self._link: str | None = None
        self._first = False
        self._hidden = 0
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = {name: value or "" for name, value in attrs}
        self._note_active(tag, given)
        if tag in {"script", "style"}:
            self._hidden += 1
        if tag == "a":
            self._link = given.get("href")
            self.links.append((str(self._link), ""))
        if tag == "form":
            form = Form(given.get("method", "get").lower(), given.get("action", ""))
            self.forms.append(form)
            self._open.append(form)
        if not self._open or ("disabled" in given):
            return
        fields, name = self._open[-1].fields, given.get("name", "")
        if tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            fields.append((name, given.get("value", "")))
        if tag == "select":
            self._select = name
            self._first = True
            fields.append((name, ""))
        if tag == "option" and self._select and ("selected" in given or self._first):
            fields[-1] = (self._select, given.get("value", ""))
            self._first = False
        if tag == "textarea":
            self._area = name
            fields.append((name, ""))

    def _note_active(self, tag: str, given: Mapping[str, str]) -> None:
        """Whatever would run, or comes from somewhere else."""
        own_script = tag == "script" and given.get("src", "").startswith("/static/")
        if tag in {"script", "img", "iframe", "object", "embed", "base"} and not own_script:
            self.active.append(tag)
        for name, value in given.items():
            if name.startswith("on") or name == "style":
                self.active.append(name)
            leads = name in {"href", "src", "action", "formaction"}
            if leads and value and not value.startswith(("/", "?", "#")):
                self.active.append(value)

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._open.pop()
            case "select":
                self._select = ""
            case "textarea":
                self._area = ""
            case "a":
                self._link = None
            case "script" | "style":
                self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if self._area:
            fields = self._open[-1].fields
            fields[-1] = (self._area, fields[-1][1] + data.removeprefix("\n"))
        elif not self._hidden:
            self.words.append(data)
            if self._link is not None and self.links:
                self.links[-1] = (self.links[-1][0], (self.links[-1][1] + data).strip())


class Page:
    """What a person sees."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.path = answer.url.path
        self.url = str(answer.url)
        self.html = answer.text
        self.headers = answer.headers
        reader = _Reader()
        reader.feed(answer.text)
        self.forms, self.links = reader.forms, reader.links
        self.active = reader.active
        self.text = " ".join(" ".join(reader.words).split())

    def form(self, action: str = "") -> Form:
        """The form that leads to an address ending so."""
        found = [form for form in self.forms if form.action.endswith(action)]
        assert found, f"no form to {action} on {self.path}: {[f.action for f in self.forms]}"
        return found[0]

    def link(self, text: str) -> str:
        found = [href for href, words in self.links if text in words]
        assert found, f"no link {text} on {self.path}: {self.links}"
        return found[0]


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def open(self, path: str, **parameters: str) -> Page:
        return Page(await self.client.get(path, params=parameters or None))

    async def send(self, page: Page, action: str, **typed: str | list[str]) -> Page:
        """Fill in the form that leads there, and press its button."""
        form = page.form(action)
        return await self.send_fields(form.method, form.action, form.filled(typed))

    async def send_fields(self, method: str, path: str, fields: list[tuple[str, str]]) -> Page:
        if method == "get":
            return Page(await self.client.get(path, params=urlencode(fields)))
        body = urlencode(fields)
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return Page(await self.client.post(path, content=body, headers=kind))
