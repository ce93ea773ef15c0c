"""Whatever somebody sends: never a 5xx, and never an answer that the document does not describe.

A short form, the same in every run; `KONTOR_FUZZ_EXAMPLES` makes it longer.
"""

import os
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.contracts import build_apps
from tests.integration.steps import book_plan, new_customer
from tests.system import System

EXAMPLES = int(os.environ.get("KONTOR_FUZZ_EXAMPLES", "8"))
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS: dict[str, Any] = {
    f"{name} {operation.method.upper()} {operation.path}": operation
    for name, app in build_apps().items()
    for found in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()
    if isinstance(found, Ok) and (operation := found.ok())
}


def cases_of(operation: Any, known: dict[str, str]) -> list[Any]:
    """Requests that keep to the schema, some about things that exist, and some that do not."""
    in_path = {p.name: known[p.name] for p in operation.path_parameters if p.name in known}
    wanted: list[tuple[GenerationMode, dict[str, str]]] = [
        (GenerationMode.POSITIVE, {}),
        (GenerationMode.POSITIVE, in_path),
        (GenerationMode.NEGATIVE, in_path),
    ]
    found: list[Any] = []
    for mode, path in wanted:

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode, path_parameters=path or None))
        def collect(case: Any) -> None:
            found.append(case)

        try:
            collect()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing in it could be wrong
    return found


@pytest.fixture(scope="module")
async def known(system: System) -> dict[str, str]:
    """Ids of things that exist, by the name they have in paths."""
    await system.seeded()
    customer = await new_customer(system)
    booked = await book_plan(system, customer["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    client = await system.post("/clients", {"name": "Shop", "scopes": ["users:read"]})
    body = {"email": f"{uuid4().hex}@seller.example", "name": "Olga", "role": "viewer"}
    operator = await system.post("/operators", body)
    return {
        "customer_id": customer["id"],
        "subscription_id": booked["subscriptions"][0]["id"],
        "invoice_id": invoice["id"],
        "client_id": client["id"],
        "operator_id": operator["id"],
    }


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_answer_is_one_that_the_document_describes(
    system: System, known: dict[str, str], name: str
) -> None:
    client = await system.client(subject=f"operator:{known['operator_id']}")
    for case in cases_of(OPERATIONS[name], known):
        answer = await send(client, case)
        case.validate_response(answer, checks=CHECKS)


async def send(client: httpx.AsyncClient, case: Any) -> httpx.Response:
    made: Any = requests.Request(**case.as_transport_kwargs(base_url="http://kontor")).prepare()
    headers = [
        (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in made.headers.items()
        if name.lower() != "authorization"
    ]
    return await client.request(made.method, made.url, headers=headers, content=made.body)
