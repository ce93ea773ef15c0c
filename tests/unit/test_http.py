"""The edge of every API, on a database that only counts what is asked of it."""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from itertools import count
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query, Response
from pydantic import Field
from sqlalchemy.exc import DBAPIError

from deploy.services import SERVICES
from shared import http
from shared.auth import Call, Caller, access
from shared.correlation import correlation
from shared.errors import (
    Conflict,
    Forbidden,
    Gone,
    InputInvalid,
    KontorError,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from shared.http import BODY_MAX_BYTES, InputModel, create_api, new_router
from shared.idempotency import KEY_MAX_CHARS, IdempotencyKeyReused, fingerprint
from tests.tokens import issuer

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
PROBLEM = "application/problem+json"


# -- a database without a database ---------------------------------------------------------------


class SqlFailed(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def sql_error(sqlstate: str) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, SqlFailed(sqlstate))


@dataclass
class Database:
    """Stands in for the database. Knows the table of idempotency keys, and nothing else.

    Attributes:
        failures: raised at the next commits, one each.
    """

    log: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    unreachable: bool = False
    key_is_free: bool = True
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    _added: dict[tuple[str, str], Any] = field(default_factory=dict)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Database"]:
        if self.unreachable:
            raise ConnectionRefusedError("nobody listens")
        self.log.append("AUTOCOMMIT")
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Database"]:
        if self.unreachable:
            raise ConnectionRefusedError("nobody listens")
        self._added = {}
        try:
            yield self
        except BaseException:
            self.log.append("rollback")
            raise
        if self.failures:
            self.log.append("commit failed")
            raise self.failures.pop(0)
        self.answers |= self._added
        self.log.append("commit")

    async def write(self, write: Any, columns: Iterable[list[Any]]) -> None:
        row = dict(zip(write.names, (values[0] for values in columns), strict=True))
        row["headers"] = json.loads(row["headers"])
        self._added[row["client"], row["key"]] = SimpleNamespace(**row)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        if "advisory" in query:
            return [SimpleNamespace(mine=self.key_is_free)]
        return [row for key, row in self.answers.items() if key == values]

    async def close(self) -> None:
        self.log.append("disposed")


# -- an API with one of everything ---------------------------------------------------------------


class Item(InputModel):
    price: Annotated[int, Field(ge=0)]
    note: str = ""


class ThingIn(InputModel):
    name: Annotated[str, Field(min_length=1, max_length=20)]
    items: tuple[Item, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


REFUSALS: list[KontorError] = [
    InputInvalid("lines[2].price", "must be positive"),
    NotFound("thing", UUID(int=7)),
    Gone("thing_erased", "It was erased.", number="T-1"),
    Conflict("amount_changed", "The amount is CHF 5.00 now.", amount="5.00"),
    PreconditionFailed("version_changed", "It is at version 3.", version=3, current={"a": 1}),
    Forbidden("scope_missing", "This needs the scope things:write."),
    Unauthenticated("invalid_token", "The token has expired."),
    TooManyRequests(7),
    Unavailable("unavailable", "Try again."),
]


class Api:
    """The app, its database, and how often its routes ran."""

    def __init__(self) -> None:
        self.database = Database()
        self.raising: list[Exception] = []
        self.runs = 0
        self.committed = 0
        self.correlations: list[str | None] = []
        numbers = count(1)
        self.app = create_api(
            "things",
            [self._router()],
            self.database,  # type: ignore[arg-type]
            gate=issuer().gate(),
            committed=self._count_commit,
            clock=lambda: NOW,
            make_id=lambda: UUID(int=next(numbers)),
        )
        self.client = client_of(self.app)

    def _count_commit(self) -> None:
        assert self.database.log[-1] == "commit"
        self.committed += 1

    def _router(self) -> Any:
        router = new_router()

        @router.post("/things", status_code=201)
        async def make(
            body: ThingIn, response: Response, call: Annotated[Call, access("things:write")]
        ) -> dict[str, Any]:
            self.runs += 1
            found = correlation()
            self.correlations.append(found.request_id if found else None)
            if self.raising:
                raise self.raising.pop(0)
            made = call.new_id()
            response.headers["location"] = f"/v1/things/{made}"
            return {"id": str(made), "name": body.name, "at": call.now.isoformat()}

        @router.get("/things/{thing_id}")
        async def read(
            thing_id: UUID,
            call: Annotated[Call, access("things:read")],
            limit: Annotated[int, Query(ge=1, le=200)] = 50,
            after: str = "",
        ) -> dict[str, Any]:
            self.runs += 1
            if self.raising:
                raise self.raising.pop(0)
            return {"id": str(thing_id), "limit": limit, "after": after, "by": call.caller.subject}

        return router


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    token = issuer().token(["things:read", "things:write"], exp=datetime(2126, 1, 1, tzinfo=UTC))
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=transport, base_url="http://kontor", headers=headers)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    made = Api()
    async with made.client:
        yield made


THING = "/v1/things/01900000-0000-7000-8000-000000000001"


def problem_of(answer: httpx.Response, status: int, code: str) -> Any:
    """The problem document, after checking its shape (RFC 9457)."""
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert {"type", "title", "status", "detail"} <= set(body)
    assert (body["type"], body["status"]) == (f"urn:kontor:problem:{code}", status)
    assert body["title"] == code.replace("_", " ").capitalize()
    assert body["detail"]
    return body


# -- problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: type(r).__name__)
async def test_a_refusal_is_a_problem_and_changes_nothing(api: Api, refusal: KontorError) -> None:
    api.raising = [refusal]
    answer = await api.client.post("/v1/things", json={"name": "a"})

    body = problem_of(answer, refusal.status, refusal.code)
    assert body["detail"] == refusal.detail
    assert {name: body[name] for name in refusal.extra} == dict(refusal.extra)
    assert (api.database.log, api.committed) == (["rollback"], 0)


def test_each_refusal_has_a_status_of_its_own() -> None:
    assert [type(r).status for r in REFUSALS] == [422, 404, 410, 409, 412, 403, 401, 429, 503]
    assert {type(r) for r in REFUSALS} | {IdempotencyKeyReused} == set(subclasses())


def subclasses() -> list[type[KontorError]]:
    return KontorError.__subclasses__()


async def test_a_broken_rule_names_its_field(api: Api) -> None:
    api.raising = [InputInvalid("lines[2].price", "must be positive")]
    body = problem_of(await api.client.post("/v1/things", json={"name": "a"}), 422, "input_invalid")

    assert body["errors"] == [{"field": "lines[2].price", "rule": "must be positive"}]


async def test_what_passes_by_itself_says_when_to_come_back(api: Api) -> None:
    api.raising = [Unavailable("unavailable", "Try again.")]

    answer = await api.client.get(THING)

    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "name", "required"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"name": "x" * 21}, "name", "at most 20 characters"),
        ({"name": 7}, "name", "valid string"),
        ({"name": "a", "colour": "red"}, "colour", "not permitted"),
        ({"name": "a", "items": [{"price": 1}, {"price": -1}]}, "items[1].price", "greater"),
        ({"name": "a", "items": [{"price": 1, "tax": 2}]}, "items[0].tax", "not permitted"),
        ([], "body", "valid dictionary"),
        (None, "body", "required"),
    ],
)
async def test_bad_input_names_field_and_rule_and_runs_nothing(
    api: Api, body: Any, field: str, rule: str
) -> None:
    answer = await api.client.post("/v1/things", json=body)

    (error,) = problem_of(answer, 422, "input_invalid")["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert (api.runs, api.committed) == (0, 0)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/things/seven", "thing_id"),
        (f"{THING}?limit=0", "limit"),
        (f"{THING}?limit=many", "limit"),
    ],
)
async def test_bad_parameters_are_named_too(api: Api, path: str, field: str) -> None:
    body = problem_of(await api.client.get(path), 422, "input_invalid")

    assert [error["field"] for error in body["errors"]] == [field]


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b'{"name": "a"} {}', b"nonsense"])
async def test_a_body_that_is_no_json_is_refused(api: Api, content: bytes) -> None:
    answer = await api.client.post(
        "/v1/things", content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == PROBLEM
    assert api.runs == 0


async def test_what_is_not_there_is_a_problem(api: Api) -> None:
    problem_of(await api.client.get("/v1/nothing"), 404, "not_found")


async def test_a_wrong_method_is_a_problem_and_names_the_right_ones(api: Api) -> None:
    answer = await api.client.delete(THING)

    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
async def test_a_body_that_is_too_large_is_refused(api: Api, declared: bool) -> None:
    content = b'{"name": "' + b"x" * BODY_MAX_BYTES + b'"}'

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 64 * 1024):
            yield content[start : start + 64 * 1024]

    answer = await api.client.post(
        "/v1/things",
        content=content if declared else stream(),
        headers={"content-type": "application/json"},
    )

    problem_of(answer, 413, "body_too_large")
    assert api.runs == 0


async def test_what_nobody_expected_is_a_500_that_tells_no_secrets(api: Api) -> None:
    api.raising = [RuntimeError("password hush-hush")]
    answer = await api.client.post("/v1/things", json={"name": "a"})

    problem_of(answer, 500, "internal_error")
    assert "hush" not in answer.text
    assert (api.database.log, api.committed) == (["rollback"], 0)


# -- texts that no database takes ----------------------------------------------------------------

LONE = "\\ud800"
NUL = "\\u0000"


def deep(levels: int) -> bytes:
    return b'{"name": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f'{{"name": "{LONE}"}}'.encode(), id="lone surrogate"),
        pytest.param(f'{{"name": "a{NUL}b"}}'.encode(), id="NUL"),
        pytest.param(
            f'{{"name": "a", "items": [{{"price": 1, "note": "{LONE}"}}]}}'.encode(), id="in a list"
        ),
        pytest.param(f'{{"name": "a", "labels": {{"k": "{NUL}"}}}}'.encode(), id="in a map"),
        pytest.param(f'{{"name": "a", "{NUL}": 1}}'.encode(), id="unknown field with NUL"),
        pytest.param(f'"{LONE}"'.encode(), id="the whole body"),
        pytest.param(f'{{"name": "a", "{LONE}": 1}}'.encode(), id="unknown lone surrogate"),
        pytest.param(f'{{"name": "a", "labels": {{"{LONE}": 1}}}}'.encode(), id="key in a map"),
        pytest.param(deep(300), id="nested 300 deep"),
        pytest.param(deep(100_000), id="nested 100,000 deep"),
        pytest.param(b'{"name": 1e999}', id="infinite"),
        pytest.param(
            b'{"name": "a", "items": [{"price": ' + b"9" * 5_000 + b"}]}", id="5,000 digits"
        ),
        pytest.param(b'{"name": NaN}', id="not a number"),
        pytest.param(b'{"name": "a", "name": "b", "items": 1}', id="twice the same field"),
    ],
)
async def test_no_text_makes_a_5xx(api: Api, content: bytes) -> None:
    answer = await api.client.post(
        "/v1/things", content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert api.runs == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            f'{{"name": "a", "{LONE}": "{LONE}"}}'.encode(), id="unknown field, bad value"
        ),
        pytest.param(f'{{"name": "a", "labels": {{"{NUL}": "v"}}}}'.encode(), id="key with NUL"),
        pytest.param(deep(900), id="nested 900 deep"),
    ],
)
async def test_no_name_or_depth_makes_a_5xx(api: Api, content: bytes) -> None:
    answer = await api.client.post(
        "/v1/things", content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "path",
    [
        "/v1/things/%00",
        "/v1/things/%ED%A0%80",
        "/v1/things/%FF",
        f"{THING}?after=%00",
        f"{THING}?after=%ED%A0%80&limit=1",
        f"{THING}?%ED%A0%80=1",
        f"{THING}?limit=%ED%A0%80",
        f"{THING}?limit={'9' * 5_000}",
    ],
)
async def test_no_address_makes_a_5xx(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code < 500


@pytest.mark.parametrize(
    "name", ["x-request-id", "idempotency-key", "content-type", "content-length"]
)
@pytest.mark.parametrize("value", [b"\xff\xfe", b'"', b"," * 300, b"9" * 6_000])
async def test_no_header_makes_a_5xx(api: Api, name: str, value: bytes) -> None:
    answer = await api.client.post(
        "/v1/things", content=b'{"name": "a"}', headers={name.encode(): value}
    )

    assert answer.status_code < 500, answer.text


# -- one request, one transaction ----------------------------------------------------------------


async def test_a_write_commits_before_it_answers_and_then_wakes_the_relay(api: Api) -> None:
    answer = await api.client.post("/v1/things", json={"name": "a"})

    assert answer.status_code == 201
    assert answer.json()["at"] == NOW.isoformat()
    assert (api.database.log, api.committed) == (["commit"], 1)


async def test_a_read_opens_no_transaction(api: Api) -> None:
    assert (await api.client.get(THING)).json()["by"] == "operator:test"
    assert (api.database.log, api.committed) == (["AUTOCOMMIT"], 0)


async def test_a_commit_that_fails_is_never_a_success(api: Api) -> None:
    api.database.failures = [sql_error("23505")]
    answer = await api.client.post("/v1/things", json={"name": "a"})

    problem_of(answer, 500, "internal_error")
    assert (api.runs, api.committed) == (1, 0)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_lost_race_is_run_again(api: Api, sqlstate: str) -> None:
    api.database.failures = [sql_error(sqlstate)] * 2
    answer = await api.client.post("/v1/things", json={"name": "a"})

    assert answer.status_code == 201
    assert api.database.log == ["commit failed", "commit failed", "commit"]
    assert (api.runs, api.committed) == (3, 1)


async def test_a_race_lost_three_times_is_given_back(api: Api) -> None:
    api.database.failures = [sql_error("40001")] * 3
    answer = await api.client.post("/v1/things", json={"name": "a"})

    problem_of(answer, 503, "unavailable")
    assert (api.runs, api.committed) == (3, 0)


@pytest.mark.parametrize("sqlstate", ["08006", "53300", "57P01", "55P03"])
async def test_a_database_in_trouble_is_a_503_and_not_tried_again(api: Api, sqlstate: str) -> None:
    api.database.failures = [sql_error(sqlstate)]
    answer = await api.client.post("/v1/things", json={"name": "a"})

    problem_of(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert (api.runs, api.committed) == (1, 0)


@pytest.mark.parametrize("method", ["get", "post"])
async def test_an_unreachable_database_is_a_503(api: Api, method: str) -> None:
    api.database.unreachable = True
    ask: Callable[..., Any] = getattr(api.client, method)

    problem_of(await ask(THING if method == "get" else "/v1/things"), 503, "unavailable")


# -- Idempotency-Key -----------------------------------------------------------------------------


async def keyed(api: Api, key: str, name: str = "a", path: str = "/v1/things") -> httpx.Response:
    return await api.client.post(path, json={"name": name}, headers={"idempotency-key": key})


async def test_the_same_request_again_gets_the_stored_answer(api: Api) -> None:
    first, again = await keyed(api, "k1"), await keyed(api, "k1")

    assert (first.status_code, again.status_code, api.runs) == (201, 201, 1)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["content-length"] == str(len(again.content))
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_another_key_is_another_request(api: Api) -> None:
    first, other = await keyed(api, "k1"), await keyed(api, "k2")

    assert first.json()["id"] != other.json()["id"]
    assert api.runs == 2


@pytest.mark.parametrize(("name", "path"), [("b", "/v1/things"), ("a", "/v1/things?dry_run=true")])
async def test_one_key_for_two_requests_is_refused(api: Api, name: str, path: str) -> None:
    await keyed(api, "k1")

    problem_of(await keyed(api, "k1", name, path), 422, "idempotency_key_reused")
    assert api.runs == 1


async def test_a_key_in_flight_is_refused(api: Api) -> None:
    api.database.key_is_free = False

    problem_of(await keyed(api, "k1"), 409, "request_in_flight")
    assert api.runs == 0


@pytest.mark.parametrize("key", ["", "k" * (KEY_MAX_CHARS + 1)])
async def test_a_key_has_a_length(api: Api, key: str) -> None:
    body = problem_of(await keyed(api, key), 422, "input_invalid")

    assert body["errors"][0]["field"] == "Idempotency-Key"
    assert (await keyed(api, "k" * KEY_MAX_CHARS)).status_code == 201


async def test_what_was_refused_or_rolled_back_is_not_remembered(api: Api) -> None:
    api.raising = [Conflict("not_yet", "Not yet.")]
    api.database.failures = [sql_error("08006")]

    assert (await keyed(api, "k1")).status_code == 409
    assert (await keyed(api, "k1")).status_code == 503
    assert (await keyed(api, "k1")).status_code == 201
    assert api.runs == 3


async def test_keys_of_two_callers_do_not_meet(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await keyed(api, "k1")

    monkeypatch.setattr(http, "admit", admitting("somebody else"))

    assert (await keyed(api, "k1")).json()["id"] != first.json()["id"]


def admitting(subject: str) -> Callable[..., Any]:
    async def admit(*_: Any) -> Caller:
        return Caller(subject, frozenset())

    return admit


def test_requests_that_differ_have_different_fingerprints() -> None:
    requests = [
        ("POST", "/a", "", b""),
        ("PUT", "/a", "", b""),
        ("POST", "/b", "", b""),
        ("POST", "/a", "x=1", b""),
        ("POST", "/ax=1", "", b""),
        ("POST", "/a", "", b"x=1"),
    ]

    assert len({fingerprint(*request) for request in requests}) == len(requests)
    assert fingerprint(*requests[0]) == fingerprint(*requests[0])


# -- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [
        (frozenset({"things:read", "things:write"}), 200, 201),
        (frozenset({"things:read"}), 200, 403),
        (frozenset({"things:write"}), 403, 201),
        (frozenset({"thing:read", "things", "*"}), 403, 403),
        (frozenset[str](), 403, 403),
    ],
)
async def test_a_scope_is_needed_for_each_route(
    api: Api, scopes: frozenset[str], read: int, write: int
) -> None:
    headers = issuer().headers(scopes, exp=datetime(2126, 1, 1, tzinfo=UTC))
    got = await api.client.get(THING, headers=headers)
    made = await api.client.post("/v1/things", json={"name": "a"}, headers=headers)

    assert (got.status_code, made.status_code) == (read, write)
    for answer in (got, made):
        if answer.status_code == 403:
            problem_of(answer, 403, "scope_missing")
    assert api.runs == (read == 200) + (write == 201)


# -- request ids ---------------------------------------------------------------------------------


async def test_a_request_id_is_kept_and_travels_along(api: Api) -> None:
    answer = await api.client.post(
        "/v1/things", json={"name": "a"}, headers={"x-request-id": "Req_1.a-9"}
    )

    assert answer.headers["x-request-id"] == "Req_1.a-9"
    assert api.correlations == ["Req_1.a-9"]
    assert correlation() is None


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 65, b"<script>", b"\xe4", b"a\tb"])
async def test_a_request_id_that_could_break_a_log_is_replaced(api: Api, given: bytes) -> None:
    answer = await api.client.get(THING, headers={b"x-request-id": given})

    assert UUID(answer.headers["x-request-id"]).version == 7


@pytest.mark.parametrize("path", [THING, "/v1/nothing", "/v1/things/seven"])
async def test_every_answer_has_a_request_id_and_is_not_sniffed(api: Api, path: str) -> None:
    answer = await api.client.get(path)

    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- health --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_each_service_tells_its_health(name: str) -> None:
    api = import_module(f"services.{name}.api")
    routers = getattr(api, "routers", None) or [api.router]
    async with client_of(create_api(name, routers, Healthy(), gate=issuer().gate())) as client:  # type: ignore[arg-type]
        answer = await client.get(f"/v1/{name}/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


class Healthy(Database):
    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        assert (str(statement), parameters) == ("SELECT 1", None)


async def test_health_without_a_database_is_a_503() -> None:
    away = Database(unreachable=True)
    async with client_of(create_api("things", [], away, gate=issuer().gate())) as client:  # type: ignore[arg-type]
        answer = await client.get("/v1/things/health")

    problem_of(answer, 503, "unavailable")
