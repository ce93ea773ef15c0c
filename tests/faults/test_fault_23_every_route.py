"""Every route without a token, without the scope, with another role, for another's customer."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from deploy.contracts import build_apps
from deploy.gateway.routes import api_routes
from services.identity.domain.roles import ROLES, SCOPES
from shared.auth import Rule, rule_of
from tests.system import System

ROUTES: list[tuple[str, str, Rule]] = sorted(
    (
        (method, route.path, rule)
        for app in build_apps().values()
        for route in api_routes(app)
        if isinstance(route, APIRoute) and (rule := rule_of(route)) and rule.scope
        for method in route.methods or ()
    ),
    key=lambda entry: entry[:2],
)
every_route = pytest.mark.parametrize(
    ("method", "path", "rule"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES]
)
# What lies in a path when nothing of it exists.
_SAMPLES = {"kind": "dead", "act": "discard", "failure_id": "1"}


def sample(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: _SAMPLES.get(found[1], str(uuid4())), path)


async def ask(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    """A request whose body is refused, should anybody read it."""
    body = {"content": b"{"} if method not in {"GET", "DELETE"} else {}
    return await client.request(method, f"http://kontor{sample(path)}", **body)  # type: ignore[arg-type]


@every_route
async def test_without_a_token_nothing_is_even_read(
    system: System, method: str, path: str, rule: Rule
) -> None:
    answer = await ask(await system.client_with({}), method, path)

    assert (answer.status_code, answer.json()["type"]) == (401, "urn:kontor:problem:token_missing")


@every_route
async def test_every_other_scope_is_not_enough(
    system: System, method: str, path: str, rule: Rule
) -> None:
    answer = await ask(await system.client(SCOPES - {rule.scope or ""}), method, path)

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kontor:problem:scope_missing")
    assert f'scope="{rule.scope}"' in answer.headers["www-authenticate"]


@every_route
async def test_its_own_scope_is_enough(system: System, method: str, path: str, rule: Rule) -> None:
    answer = await ask(await system.client([rule.scope or ""]), method, path)

    assert answer.status_code not in {401, 429}
    assert answer.status_code < 500
    # Who is no operator has no account: that is about who, not about the scope.
    if answer.status_code == 403:
        assert answer.json()["type"] == "urn:kontor:problem:operators_only"


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reaches_what_its_scopes_say_and_nothing_else(
    system: System, role: Any
) -> None:
    client = await system.client(ROLES[role])
    for method, path, rule in ROUTES:
        answer = await ask(client, method, path)
        refused = (
            answer.status_code == 403
            and answer.json()["type"] == "urn:kontor:problem:scope_missing"
        )
        assert refused == (rule.scope not in ROLES[role]), f"{role} {method} {path}"


@every_route
async def test_who_is_restricted_to_a_customer_reaches_only_what_keeps_to_it(
    system: System, method: str, path: str, rule: Rule
) -> None:
    """Denied by default: a new route is closed to them until it says how it keeps to customers."""
    answer = await ask(await system.client(customer_ids=[uuid4()]), method, path)

    if "{customer_id}" in path:
        assert answer.status_code == 404
    elif not rule.per_customer:
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:kontor:problem:restricted_caller"
