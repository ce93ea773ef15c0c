"""Rules that hold for every service and that no reviewer should have to remember."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import compile_path

from deploy.contracts import ROOT, build_apps, consumed_topics
from deploy.gateway.routes import route_table
from deploy.services import SERVICES
from services.identity.domain.roles import SCOPES
from shared.auth import Rule, required_scope, rule_of
from shared.events import topics
from shared.http import TransactionalRoute, new_router
from shared.messaging.topics import owned_topics
from shared.routing import Signpost

NAMES = sorted(SERVICES)
APPS = build_apps()
CODE = sorted([*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")])
every_service = pytest.mark.parametrize("name", NAMES)


def place(file: Path) -> str:
    return str(file.relative_to(ROOT))


# -- every route has an access rule ---------------------------------------------------------------


# Who asks has no token yet, or what is asked for is public: each checks a secret of its own.
ANYBODY_MAY = {
    "/.well-known/jwks.json",
    "/oauth/token",
    "/v1/sessions",
    "/v1/sessions/token",
    "/v1/password-resets",
    "/v1/password-resets/confirm",
}


def open_paths(name: str) -> set[str]:
    """What anybody may read: whether the service is well, and its own description."""
    base = f"/v1/{name}"
    return (ANYBODY_MAY if name == "identity" else set()) | {
        f"{base}/health",
        f"{base}/openapi.json",
        f"{base}/docs",
        "/docs/oauth2-redirect",
        "/metrics",  # not in the route table: only reached at a service's own port
    }


def routes(app: FastAPI) -> list[Any]:
    """All of them, in the order in which they are tried; the signpost finds the same ones."""
    found = [context.original_route for context in iter_route_contexts(app.routes)]
    return [route for route in found if not isinstance(route, Signpost)]


def without_rule(name: str, app: FastAPI) -> list[str]:
    return [
        route.path
        for route in routes(app)
        if route.path not in open_paths(name)
        and not (
            isinstance(route, APIRoute)
            and (required_scope(route) or (rule_of(route) or Rule(None)).signed)
        )
    ]


@every_service
def test_every_route_has_an_access_rule(name: str) -> None:
    assert without_rule(name, APPS[name]) == []


def test_what_is_open_and_not_in_a_description_stays_behind_the_gateway() -> None:
    assert {"/metrics", "/docs/oauth2-redirect"}.isdisjoint(route_table(APPS))


def test_a_route_without_a_rule_would_be_noticed() -> None:
    app = FastAPI(openapi_url=None)
    app.add_api_route("/v1/billing/health", lambda: None)
    app.add_api_route("/v1/everything", lambda: None)
    app.mount("/v1/files", FastAPI())

    assert without_rule("billing", app) == ["/v1/everything", "/v1/files"]


@every_service
def test_what_anybody_may_call_is_listed_here_and_says_so_itself(name: str) -> None:
    declared = {
        route.path
        for route in routes(APPS[name])
        if isinstance(route, APIRoute)
        and (rule := rule_of(route))
        and rule.scope is None
        and not rule.signed
    }

    assert declared == (ANYBODY_MAY if name == "identity" else set())


@every_service
def test_what_is_signed_instead_of_having_a_token_is_listed_here(name: str) -> None:
    signed = {
        route.path
        for route in routes(APPS[name])
        if isinstance(route, APIRoute) and (rule := rule_of(route)) and rule.signed
    }

    assert signed == ({"/v1/payment-events/{provider}"} if name == "billing" else set())
    assert not signed or callable(APPS[name].state.check_signature)


def test_a_route_without_a_rule_cannot_even_be_made() -> None:
    router = new_router()

    with pytest.raises(TypeError, match="has no access rule"):
        router.add_api_route("/everything", lambda: None)


@every_service
def test_every_scope_that_a_route_asks_for_is_one_that_identity_gives(name: str) -> None:
    asked = {required_scope(r) for r in routes(APPS[name]) if isinstance(r, APIRoute)} - {None}

    assert asked <= SCOPES


@every_service
def test_reading_asks_for_a_read_scope_and_writing_for_a_write_scope(name: str) -> None:
    for route in routes(APPS[name]):
        scope = isinstance(route, APIRoute) and required_scope(route)
        if scope:
            verb = "read" if set(route.methods) <= {"GET", "HEAD"} else "write"
            assert re.fullmatch(rf"[a-z]+(-[a-z]+)*:{verb}", scope), f"{route.path}: {scope}"


@every_service
def test_every_route_with_a_rule_is_one_transaction(name: str) -> None:
    guarded = [r for r in routes(APPS[name]) if isinstance(r, APIRoute) and required_scope(r)]

    assert guarded
    assert [r.path for r in guarded if not isinstance(r, TransactionalRoute)] == []


def hidden_routes(app: FastAPI) -> list[str]:
    """Routes that are never reached, because a template before them takes their requests."""
    found = []
    before: list[Any] = []
    for route in routes(app):
        sample = re.sub(r"\{\w+(:\w+)?\}", "0", route.path)
        found += [
            f"{route.path} behind {earlier.path}"
            for earlier in before
            if set(earlier.methods) & set(route.methods)
            and compile_path(earlier.path)[0].fullmatch(sample)
        ]
        before.append(route)
    return found


@every_service
def test_no_route_hides_another(name: str) -> None:
    assert hidden_routes(APPS[name]) == []


# -- time, ids and randomness come in from the edge -----------------------------------------------

THE_CLOCK = "shared/clock.py"
SQL_CLOCKS = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday"
    r"|gen_random_uuid|uuidv4|uuidv7|random)\s*\(\s*\)"
    r"|\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b",
    re.IGNORECASE,
)
# Calls of other modules that read a clock of the world, or dice.
CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime"},
    "func": {"now", "current_date", "current_time", "current_timestamp", "localtime", "random"},
    "os": {"urandom"},
}
DICE = {"uuid1", "uuid4", "uuid6", "uuid7", "random", "secrets"}


def clocks_in(source: str) -> Iterator[str]:
    """What in a module reads a clock or makes something up, in Python or in SQL."""
    tree = ast.parse(source)
    comments = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in comments:
                if found := SQL_CLOCKS.search(text):
                    yield found.group()
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if name in CLOCKS.get(owner, ()) or (owner == "uuid" and name in DICE):
                    yield f"{owner}.{name}"
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    if alias.name in DICE or alias.name in CLOCKS.get(module or "", set()) - {
                        "now",
                        "today",
                    }:
                        yield f"{module}.{alias.name}"
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in DICE)


@pytest.mark.parametrize("file", CODE, ids=place)
def test_nobody_but_the_clock_reads_a_clock_or_throws_dice(file: Path) -> None:
    found = list(clocks_in(file.read_text("utf-8")))

    if place(file) == THE_CLOCK:
        assert found
    else:
        assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'text("SELECT * FROM t WHERE at < now()")',
        'text("... due <= CURRENT_DATE")',
        'Column("at", server_default=text("clock_timestamp()"))',
        'f"UPDATE t SET at = now ( ) WHERE id = {x}"',
        "select(func.now())",
        "select(sa.func.current_timestamp())",
        "from datetime import datetime\nx = datetime.now(UTC)",
        "import datetime\nx = datetime.datetime.utcnow()",
        "from datetime import date\nx = date.today()",
        "import time\nx = time.time()",
        "from time import time_ns",
        "from uuid import UUID, uuid4",
        "import uuid\nx = uuid.uuid4()",
        "import random",
        "import secrets",
        'text("INSERT INTO t VALUES (gen_random_uuid())")',
    ],
)
def test_a_clock_would_be_noticed(source: str) -> None:
    assert list(clocks_in(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        '"""Binds :now, never now() or CURRENT_DATE."""',
        'text("SELECT * FROM t WHERE at < :now")',
        "call(now=now)",
        "deadline = loop.time() + 5",
        "started = time.perf_counter()",
        'retry_at(now, 1)\nword = "nowhere"',
    ],
)
def test_what_is_no_clock_is_left_alone(source: str) -> None:
    assert list(clocks_in(source)) == []


# -- services do not know each other --------------------------------------------------------------


def services_named_in(source: str) -> set[str]:
    """Packages of services that a module imports or names in a text."""
    return set(re.findall(rf"\bservices[./]({'|'.join(NAMES)})\b", source)) | set(
        re.findall(rf"^\s*from services import .*\b({'|'.join(NAMES)})\b", source, re.MULTILINE)
    )


@pytest.mark.parametrize("file", CODE, ids=place)
def test_code_names_no_package_of_another_service(file: Path) -> None:
    folder = place(file).split("/")
    own = {folder[1]} if folder[0] == "services" else set()

    assert services_named_in(file.read_text("utf-8")) <= own


@pytest.mark.parametrize(
    "source",
    [
        "from services.billing.tables import invoices",
        "import services.billing",
        "from services import billing",
        'import_module("services.billing.tables")',
        'Path("services/billing/migrations")',
    ],
)
def test_the_name_of_another_package_would_be_noticed(source: str) -> None:
    assert services_named_in(source) == {"billing"}


# -- the canvas of each service -------------------------------------------------------------------

LINES_MAX = 100
SECTIONS = ["Owns", "Does not own", "Publishes", "Consumes", "Invariants", "Intended limits"]
TOPIC = re.compile(r"`([a-z]+\.[a-z-]+\.v\d+)`")
TYPE = re.compile(r"`((?:[a-z_]+)?\.[a-z_]+)`")


def canvas(name: str) -> str:
    return (ROOT / "services" / name / "README.md").read_text("utf-8")


def sections(name: str) -> dict[str, str]:
    _, *parts = re.split(r"^## ", canvas(name), flags=re.MULTILINE)
    found = (part.partition("\n") for part in parts)
    return {title.strip(): text for title, _, text in found}


def types_told(text: str) -> set[str]:
    """Event types in a text; `.paid` after `invoice.opened` means `invoice.paid`."""
    told, family = set(), ""
    for found in TYPE.findall(TOPIC.sub("", text)):
        before, _, after = found.partition(".")
        family = before or family
        told.add(f"{family}.{after}")
    return told


@every_service
def test_a_service_has_a_canvas_on_one_page(name: str) -> None:
    assert len(canvas(name).splitlines()) <= LINES_MAX
    assert [title for title in sections(name) if title in SECTIONS] == SECTIONS
    assert all(sections(name)[title].strip() for title in SECTIONS)


@every_service
def test_the_canvas_names_the_topics_and_types_that_are_published(name: str) -> None:
    text = sections(name)["Publishes"]
    owned = owned_topics(name)

    assert set(TOPIC.findall(text)) == {topic.name for topic in owned}
    for topic in owned:
        (row,) = [line for line in text.splitlines() if f"`{topic.name}`" in line]
        assert types_told(row) == set(topics()[topic])
        assert ("compacted" in row) == topic.compacted


@every_service
def test_the_canvas_names_the_topics_that_are_consumed(name: str) -> None:
    text = sections(name)["Consumes"]
    consumed = consumed_topics()[name]
    known = {kind for topic in consumed for kind in topics()[topic]}

    assert set(TOPIC.findall(text)) == {topic.name for topic in consumed}
    assert types_told(text) <= known
