"""The services as the console speaks to them: over their HTTP APIs, in an operator's name."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.console.settings import ConsoleSettings

__all__ = ["NAMES", "Away", "Gateways", "Panel", "Patience", "Refused", "Voice", "together"]

NAMES = ("identity", "customers", "subscriptions", "billing", "notifier")
_CONNECT_S = 1.0
# Who has not been asked yet when the patience is used up by others still gets this long.
_LEAST_S = 0.5
_FIELD_END = re.compile(r"[.\[]")


class Away(Exception):
    """A service did not answer in time, or said that it cannot now."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service


class Refused(Exception):
    """A service said no.

    Attributes:
        code: the last part of the problem's `type` (RFC 9457).
        errors: field -> rule, for what was refused about the input.
        problem: the whole document.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("type", "")).rpartition(":")[2]
        self.detail = str(problem.get("detail", "This was refused."))
        self.errors = {
            _FIELD_END.split(str(error.get("field", "")))[0]: str(error.get("rule", ""))
            for error in problem.get("errors", ())
        }
        super().__init__(self.detail)


class Patience:
    """What one page may wait for all that it asks, one after the other or at the same time.

    A service that let it wait in vain is not asked again for this page, so it costs its time once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self.away: set[str] = set()

    def left(self, method: str) -> float:
        """Seconds. What changes something has its own: no page is worth breaking it off."""
        if method != "GET":
            return self._seconds
        return max(self._until - asyncio.get_running_loop().time(), _LEAST_S)


@dataclass(frozen=True, slots=True)
class Voice:
    """One service, spoken to with one operator's headers."""

    name: str
    client: httpx.AsyncClient
    headers: Mapping[str, str]
    patience: Patience

    async def get(self, path: str, **parameters: Any) -> Any:
        given = {name: value for name, value in parameters.items() if value not in (None, "")}
        return (await self.send("GET", path, params=given)).json()

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.send("POST", path, json=body, **options)
        return answer.json() if answer.content else None

    async def patch(self, path: str, body: Any, *, version: str = "") -> Any:
        """Change what has this version; whatever it is when none is given."""
        headers = {"if-match": f'"{version}"'} if version else {}
        return (await self.send("PATCH", path, json=body, headers=headers)).json()

    async def put(self, path: str, body: Any, *, version: str = "", **options: Any) -> Any:
        """Replace what has this version."""
        headers = {"if-match": f'"{version}"'} if version else {}
        return (await self.send("PUT", path, json=body, headers=headers, **options)).json()

    async def stream(self, path: str, **parameters: Any) -> httpx.Response:
        """A file of any length: its head is there, its content is still to be read and closed.

        Raises:
            Away, Refused: as `send`; once there is a head, only the patience for each part counts.
        """
        given = {name: value for name, value in parameters.items() if value not in (None, "")}
        request = self.client.build_request(
            "GET", f"/v1{path}", headers=dict(self.headers), params=given
        )
        try:
            answer = await self.client.send(request, stream=True)
            if answer.is_error:
                await answer.aread()
        except httpx.HTTPError as error:
            raise Away(self.name) from error
        return self._good(answer)

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Ask for a path below `/v1`.

        Raises:
            Away: there is no answer worth having.
            Refused: the answer is a problem.
        """
        if self.name in self.patience.away:
            raise Away(self.name)
        sent = {**self.headers, **(headers or {})}
        try:
            async with asyncio.timeout(self.patience.left(method)):
                answer = await self.client.request(method, f"/v1{path}", headers=sent, **options)
        except (httpx.HTTPError, TimeoutError) as error:
            self.patience.away.add(self.name)
            raise Away(self.name) from error
        return self._good(answer)

    def _good(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Away(self.name)
        if answer.is_error:
            raise Refused(answer.status_code, _problem(answer))
        return answer


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


class Gateways:
    """A client per service, so that a slow one holds no connection another could use."""

    def __init__(
        self, settings: ConsoleSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        timeout = httpx.Timeout(settings.patience_s, connect=_CONNECT_S)
        self._patience_s = settings.patience_s
        self._clients = {
            name: httpx.AsyncClient(
                base_url=settings.url_of(name),
                timeout=timeout,
                transport=transport,
                trust_env=False,
            )
            for name in NAMES
        }

    def patience(self) -> Patience:
        return Patience(self._patience_s)

    def voice(self, service: str, headers: Mapping[str, str], patience: Patience) -> Voice:
        return Voice(service, self._clients[service], headers, patience)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


@dataclass(frozen=True, slots=True)
class Panel:
    """What a service said for one part of a page, or why there is nothing to show there."""

    data: Any = None
    trouble: str = ""
    refusal: Refused | None = field(default=None, repr=False)


async def _panel(question: Awaitable[Any]) -> Panel:
    try:
        return Panel(await question)
    except Away as away:
        return Panel(trouble=f"The {away.service} service does not answer right now.")
    except Refused as refused:
        if refused.status == httpx.codes.UNAUTHORIZED:
            raise  # not about this part of the page: the token counts no longer
        return Panel(trouble=refused.detail, refusal=refused)


async def together(**questions: Awaitable[Any]) -> dict[str, Panel]:
    """Ask at the same time; what fails is told by its own panel and by no other."""
    panels = await asyncio.gather(*(_panel(question) for question in questions.values()))
    return dict(zip(questions, panels, strict=True))
