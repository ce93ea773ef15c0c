"""The signpost finds what asking each route in turn would have found."""

import re
from collections.abc import Sequence
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from deploy.contracts import build_apps
from deploy.gateway.routes import api_routes
from shared.routing import Signpost

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_APPS = build_apps()


def asked_in_turn(routes: Sequence[APIRoute], scope: Scope) -> tuple[Match, Scope]:
    answers = [route.matches(scope) for route in routes]
    for wanted in (Match.FULL, Match.PARTIAL):
        for match, child in answers:
            if match is wanted:
                return match, child
    return Match.NONE, {}


@pytest.mark.parametrize("name", sorted(_APPS))
def test_each_path_belongs_to_the_same_route(name: str) -> None:
    routes = list(api_routes(_APPS[name]))
    signpost = Signpost(routes)
    paths = {re.sub(r"\{\w+\}", lambda _: str(uuid4()), route.path) for route in routes}
    strange = {path + "/" for path in paths} | {path + "/more" for path in paths} | {"/", "/v1"}

    for path in paths | strange:
        for method in _METHODS:
            scope = {"type": "http", "method": method, "path": path}
            match, child = asked_in_turn(routes, scope)
            found = signpost.matches(scope)
            # Where no route has the method, any of those that have the path can say so.
            assert found == (match, child) if match is Match.FULL else found[0] is match, path


def test_a_literal_path_goes_before_a_pattern() -> None:
    async def answer() -> None: ...

    pattern = APIRoute("/things/{thing_id}", answer, methods=["GET", "PUT"])
    literal = APIRoute("/things/export", answer, methods=["GET"])
    signpost = Signpost([pattern, literal])

    def found(method: str) -> object:
        scope = {"type": "http", "method": method, "path": "/things/export"}
        return signpost.matches(scope)[1]["route"]

    assert found("GET") is literal
    assert found("PUT") is pattern
    assert found("DELETE") is literal  # which says what may be done there
