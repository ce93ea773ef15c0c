"""The console before services on real servers, and people with browsers without scripts."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from deploy.services import CONSOLE
from services.identity.domain.roles import ROLES, SCOPES
from services.identity.use_cases.operators import create_operator
from shared.clock import new_id
from tests.console.forms import Person
from tests.integration.steps import database_of, new_customer
from tests.system import System
from tests.tokens import issuer

__all__ = ["PASSWORD", "House"]

PASSWORD = "correct horse battery staple"
NAMES = ("identity", "customers", "subscriptions", "billing", "notifier")


class Doorman(httpx.AsyncBaseTransport):
    """Leads the console to the services, and can say that one of them is away.

    Identity checks passwords and keeps sessions; only the tokens it gives are exchanged for ones of
    the tests' issuer, which is the one that the services of a test accept. Where
    `token` is set, that one is given instead.
    """

    def __init__(self, system: System) -> None:
        self._inner = system._transport
        self.away: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[httpx.Request] = []
        self.token = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host in self.away:
            raise httpx.ConnectError("nobody listens")
        if request.url.host in self.silent:
            await asyncio.Event().wait()
        answer = await self._inner.handle_async_request(request)
        if request.url.path == "/v1/sessions/token" and answer.status_code == 200:
            body = json.loads(await answer.aread())
            operator = body["operator"]
            subject = f"operator:{operator['id']}"
            token = self.token or issuer().token(ROLES[operator["role"]], subject=subject)
            return httpx.Response(200, json={**body, "access_token": token})
        return answer


class House:
    """A console, and operators who can sign in to it."""

    def __init__(self, system: System, stack: AsyncExitStack) -> None:
        self.system = system
        self.doorman = Doorman(system)
        urls = {f"KONTOR_CONSOLE_{name.upper()}_URL": f"http://{name}" for name in NAMES}
        urls["KONTOR_CONSOLE_PATIENCE_S"] = "3"
        self.app = self.new_app(urls)
        self._stack = stack
        self._people: dict[str, Person] = {}

    def new_app(self, urls: dict[str, str]) -> Any:
        build: Any = CONSOLE.build_api
        return build(CONSOLE.settings.load(urls), self.doorman)

    async def browser(self, scheme: str = "http") -> Person:
        """One that nobody has signed in with yet."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(
            transport=transport, base_url=f"{scheme}://console", follow_redirects=True, timeout=60
        )
        return Person(await self._stack.enter_async_context(client))

    async def new_operator(self, role: Any = "admin", name: str = "Olga Beispiel") -> Any:
        async with database_of(self.system, "identity") as database, database.transaction() as tx:
            return await create_operator(
                tx,
                f"{uuid4().hex[:10]}@seller.example",
                name,
                role,
                password=PASSWORD,
                granting=SCOPES,
                actor="test",
                now=datetime.now(UTC),
                new_id=new_id,
            )

    async def sign_in(self, operator: Any, scheme: str = "http") -> Person:
        person = await self.browser(scheme)
        page = await person.open("/sign-in")
        done = await person.send(page, "/sign-in", email=operator.email, password=PASSWORD)
        assert done.path == "/customers", done.text
        return person

    async def person(self, role: str = "admin") -> Person:
        """Somebody who has signed in with this role; the same one each time."""
        if role not in self._people:
            self._people[role] = await self.sign_in(await self.new_operator(role))
        return self._people[role]

    async def new_customer(self, **different: Any) -> Any:
        """One whom every service knows."""
        return await new_customer(self.system, **different)
