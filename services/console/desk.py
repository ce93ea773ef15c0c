"""One request at the console: who asks, and the services in their name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from services.console.gateways import Away, Gateways, Refused, Voice
from services.console.sessions import Session, csrf_of, same, session_cookie, visit_cookie
from shared.correlation import correlation

__all__ = ["Desk", "Form", "FormForged", "Posted", "SignInNeeded", "Signed", "Visited", "stranger"]

_FORM_MAX_BYTES = 256 * 1024
_UPLOAD_MAX_BYTES = 1024 * 1024 + 16 * 1024  # a file as large as the services take, and its form
_FIELDS_MAX = 1000


class SignInNeeded(Exception):
    """There is no session, or it is over."""


class FormForged(Exception):
    """A form that no page of this session has shown."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Who sits there, and whom they can speak to."""

    request: Request
    session: Session
    secret: str

    def may(self, scope: str) -> bool:
        return scope in self.session.scopes

    def need(self, scope: str) -> None:
        """Show a page for something only to who may do it; the services check again.

        Raises:
            Refused: your role does not have it.
        """
        if not self.may(scope):
            raise Refused(403, {"detail": "Your role may not do this."})

    @property
    def today(self) -> date:
        today: date = self.request.app.state.clock().date()
        return today

    @property
    def csrf(self) -> str:
        return csrf_of(self.secret)

    @property
    def operator(self) -> dict[str, Any]:
        return self.session.operator

    @property
    def identity(self) -> Voice:
        return self.speak("identity")

    @property
    def customers(self) -> Voice:
        return self.speak("customers")

    @property
    def subscriptions(self) -> Voice:
        return self.speak("subscriptions")

    @property
    def billing(self) -> Voice:
        return self.speak("billing")

    @property
    def notifier(self) -> Voice:
        return self.speak("notifier")

    def speak(self, service: str) -> Voice:
        return _voice(self.request, service, {"authorization": f"Bearer {self.session.token}"})


def _about(request: Request) -> dict[str, str]:
    """Whose request it is that a service gets: it counts attempts by the browser's address."""
    address = request.client.host if request.client else ""
    request_id = found.request_id if (found := correlation()) else ""
    headers = {"x-forwarded-for": address, "x-request-id": request_id}
    return {name: value for name, value in headers.items() if value}


def stranger(request: Request) -> Voice:
    """Identity, for who has no token yet."""
    return _voice(request, "identity", {})


def _voice(request: Request, service: str, headers: Mapping[str, str]) -> Voice:
    gateways: Gateways = request.app.state.gateways
    if not hasattr(request.state, "patience"):
        request.state.patience = gateways.patience()
    return gateways.voice(service, {**_about(request), **headers}, request.state.patience)


async def _signed_in(request: Request) -> Desk:
    secret = session_cookie(request)
    if not secret:
        raise SignInNeeded
    try:
        session = await request.app.state.sessions.swap(
            secret, stranger(request), now=request.app.state.clock()
        )
    except Refused as refused:
        if refused.status == 429:  # noqa: PLR2004 - too many requests: the session may be good
            raise Away("identity") from refused
        raise SignInNeeded from refused
    return Desk(request, session, secret)


class Form:
    """What a form sent: each field's text, trimmed, or empty; `pictures` by field as they came."""

    def __init__(
        self, pairs: list[tuple[str, str]], pictures: Mapping[str, bytes] | None = None
    ) -> None:
        self._pairs = pairs
        self.pictures = pictures or {}

    def __getitem__(self, name: str) -> str:
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def raw(self, name: str) -> str:
        """Untouched, for passwords."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    @property
    def once(self) -> dict[str, str]:
        """Makes a form that is sent twice count once."""
        return {"idempotency-key": self["key"]} if self["key"] else {}

    def lines(self, name: str) -> list[str]:
        return [line.strip() for line in self[name].splitlines() if line.strip()]


async def _read(request: Request) -> Form:
    kind = request.headers.get("content-type", "")
    uploading = kind.startswith("multipart/form-data")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > (_UPLOAD_MAX_BYTES if uploading else _FORM_MAX_BYTES):
            raise Refused(413, {"detail": "This form is too long."})
    pictures: dict[str, bytes] = {}
    try:
        if uploading:
            pairs = _parts(kind, body, pictures)
        else:
            text = body.decode()
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise Refused(400, {"detail": "This form is malformed."}) from error
    return Form([(name, value.replace("\r\n", "\n")) for name, value in pairs], pictures)


def _parts(kind: str, body: bytes, pictures: dict[str, bytes]) -> list[tuple[str, str]]:
    """The fields of a form with files (RFC 7578), which are `pictures` or must be text."""
    head = f"content-type: {kind}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    found: list[tuple[str, str]] = []
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise ValueError("a part without a name or content")  # noqa: TRY004 - as any bad form
        if len(found) == _FIELDS_MAX:
            raise ValueError("too many parts")
        if part.get_content_maintype() == "image":
            pictures[name] = content
        else:
            found.append((name, content.decode("utf-8-sig")))
    return found


async def _posted(request: Request) -> Form:
    return await _proven(request, session_cookie(request))


async def _visited(request: Request) -> Form:
    return await _proven(request, visit_cookie(request))


async def _proven(request: Request, secret: str) -> Form:
    form = await _read(request)
    if not secret or not same(form["csrf"], csrf_of(secret)):
        raise FormForged
    return form


Signed = Annotated[Desk, Depends(_signed_in)]
"""Every route but signing in asks for it."""
Posted = Annotated[Form, Depends(_posted)]
"""Every POST of who is signed in asks for it: the form, with its proof checked."""
Visited = Annotated[Form, Depends(_visited)]
"""The same for forms of who is not signed in yet."""
