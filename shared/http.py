"""The edge of every API: one transaction per request, problem details, limits.

A request is one transaction, opened here and nowhere else: writes commit before the answer is
sent, so a failed commit is a 5xx and never a false 2xx.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial, wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics
from shared.auth import Call, Gate, Rule, admit, named_rule
from shared.clock import Clock, NewId, new_id, system_clock
from shared.correlation import Correlation, correlated
from shared.database import Database
from shared.errors import Conflict, InputInvalid
from shared.idempotency import StoredAnswer, begin, fingerprint, remember
from shared.openapi import describe_access
from shared.problems import HANDLERS, PROBLEM_SCHEMA, unavailable
from shared.routing import Signpost
from shared.sql_errors import is_transient, refers_to_nothing, serialization_failed
from shared.tracing import SpanKind, span

__all__ = ["BODY_MAX_BYTES", "InputModel", "create_api", "new_router"]

log = structlog.get_logger()

BODY_MAX_BYTES = 1024 * 1024
_TRIES = 3
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class InputModel(BaseModel):
    """Base of request bodies: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=10_000)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        if field := _unstorable(data):
            raise InputInvalid(field, "must not contain NUL or unpaired surrogate characters")
        return data


def _unstorable(data: Any) -> str | None:
    """The path of a text or name that PostgreSQL cannot store, if there is one."""
    todo: list[tuple[str, Any]] = [("", data)]
    while todo:  # not by recursion: how deep the body is, is up to the caller
        path, node = todo.pop()
        if isinstance(node, str) and _UNSTORABLE.search(node):
            return path or "body"
        if isinstance(node, dict):
            if bad := next((key for key in node if _UNSTORABLE.search(str(key))), None):
                return f"{path}.{_UNSTORABLE.sub('?', bad)}".lstrip(".")
            todo += ((f"{path}.{key}".lstrip("."), value) for key, value in node.items())
        elif isinstance(node, list):
            todo += ((f"{path}[{index}]", value) for index, value in enumerate(node))
    return None


_Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class TransactionalRoute(APIRoute):
    """Lets in who may call, runs the endpoint in a transaction, repeats lost races.

    A write honours `Idempotency-Key`. What an endpoint returns is what is sent: a model that was
    just made needs no second validation.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        name, self.rule = named_rule(endpoint)
        answering = Response not in get_type_hints(endpoint).values()  # FastAPI merges those itself
        status = (options.get("status_code") or 200) if answering else None
        super().__init__(path, _given_its_call(endpoint, name, status), **options)

    def get_route_handler(self) -> _Endpoint:
        run = _read if set(self.methods or ()) <= {"GET", "HEAD"} else _write
        return partial(_admitted, self.rule, partial(run, super().get_route_handler()))


def _given_its_call(
    endpoint: Callable[..., Coroutine[Any, Any, Any]], name: str, status: int | None
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The endpoint as FastAPI sees it: with the request in the place of the call.

    To resolve a dependency at each request takes FastAPI as long as the statement that follows.
    With a `status`, what the endpoint makes is answered with it.
    """
    own = signature(endpoint)
    given = [p for p in own.parameters.values() if p.name != name]
    request = next((p.name for p in given if p.annotation is Request), None)
    if request is None:
        given.append(Parameter("request_", Parameter.KEYWORD_ONLY, annotation=Request))

    @wraps(endpoint)
    async def answer(**named: Any) -> Any:
        asked = named[request] if request else named.pop("request_")
        made = await endpoint(**named, **{name: asked.state.call})
        if status is None or not isinstance(made, BaseModel):
            return made
        return Response(made.model_dump_json(), status, media_type="application/json")

    answer.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=sorted(given, key=lambda p: p.kind)
    )
    return answer


async def _admitted(rule: Rule, run: _Endpoint, request: Request) -> Response:
    # Before the transaction: strangers cost no connection, and checking a token may ask for keys.
    request.state.caller = await admit(request, rule)
    request.state.rule = rule
    return await run(request)


async def _read(endpoint: _Endpoint, request: Request) -> Response:
    try:
        async with request.app.state.database.reading() as tx:
            request.state.call = _call(request, tx)
            return await endpoint(request)
    except Exception as error:
        if is_transient(error):
            raise unavailable(error) from error
        raise


async def _write(endpoint: _Endpoint, request: Request) -> Response:
    for attempt in range(1, _TRIES + 1):
        try:
            response = await _write_once(endpoint, request)
            break
        except Exception as error:
            if refers_to_nothing(error):
                # It was there when it was looked at, and somebody has deleted it since.
                raise Conflict(
                    "deleted_meanwhile", "Something that this needs has just been deleted."
                ) from error
            if not is_transient(error):
                raise
            if attempt == _TRIES or not serialization_failed(error):
                raise unavailable(error) from error
            await asyncio.sleep(0.01 * attempt)
    request.app.state.committed()
    return response


async def _write_once(endpoint: _Endpoint, request: Request) -> Response:
    async with request.app.state.database.transaction() as tx:
        request.state.call = call = _call(request, tx)
        key = request.headers.get("idempotency-key")
        if key is None or request.state.rule.confidential:
            return await endpoint(request)
        client = call.caller.subject
        url = request.url
        asked = fingerprint(request.method, url.path, url.query, await request.body())
        stored = await begin(tx, client, key, asked)
        if stored:
            return Response(
                stored.body, stored.status, {**stored.headers, "idempotent-replayed": "true"}
            )
        response = await endpoint(request)
        answer = StoredAnswer(response.status_code, dict(response.headers), bytes(response.body))
        await remember(tx, client, key, asked, answer, now=call.now)
    return response


def _call(request: Request, tx: Any) -> Call:
    state = request.app.state
    return Call(tx, state.clock(), state.new_id, request.state.caller)


def new_router(prefix: str = "/v1") -> APIRouter:
    refused = {
        "description": "Problem details (RFC 9457)",
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }
    return APIRouter(prefix=prefix, route_class=TransactionalRoute, responses={"4XX": refused})


def create_api(
    service: str,
    routers: Sequence[APIRouter],
    database: Database,
    *,
    gate: Gate,
    committed: Callable[[], None] = lambda: None,
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    clock: Clock = system_clock,
    make_id: NewId = new_id,
    on_stop: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Build a service's API.

    Args:
        gate: who may come in.
        committed: called after each committed write, to wake whoever has work from it.
        background: coroutines that run as long as the API does.
        on_stop: called when it has ended.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(run()) for run in background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.close()
            on_stop()

    app = FastAPI(
        title=f"Kontor {service}",
        version="1",
        lifespan=lifespan,
        openapi_url=f"/v1/{service}/openapi.json",
        docs_url=f"/v1/{service}/docs",
        redoc_url=None,
    )
    app.state.database, app.state.clock, app.state.new_id = database, clock, make_id
    app.state.committed, app.state.gate = committed, gate
    # Literal paths first, or `/v1/customers/health` would be the customer "health".
    app.add_api_route(f"/v1/{service}/health", _health, include_in_schema=False)
    for router in routers:
        # As they are: a router that is included is asked twice whether it has the path.
        app.router.routes.extend(router.routes)
    app.router.routes.insert(0, Signpost(app.router.routes))
    for kind, handler in HANDLERS:
        app.add_exception_handler(kind, handler)
    describe_access(app)
    app.add_middleware(_Observed, service=service)
    app.add_route("/metrics", metrics.exposition)
    return app


async def _health(request: Request) -> dict[str, str]:
    try:
        async with request.app.state.database.reading() as tx:
            await tx.fetch("SELECT 1")
    except Exception as error:
        raise unavailable(error) from error
    return {"status": "ok"}


class _Observed:
    """Gives each request an id and a span, which its answer, logs and events carry; counts it."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        status, started = 500, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        traceparent = headers.get(b"traceparent")
        above = Correlation(request_id, traceparent.decode("latin-1") if traceparent else None)
        with span(f"{scope['method']} {self._service}", above, SpanKind.SERVER) as (own, inside):
            try:
                with correlated(request_id, inside.traceparent if inside else None):
                    await self._app(scope, _bounded(receive), send_with_id)
            finally:
                route = getattr(scope.get("route"), "path", "unknown")
                seconds = time.perf_counter() - started
                metrics.observe_request(self._service, scope["method"], route, status, seconds)
                if own:
                    own.update_name(f"{scope['method']} {route}")
                    own.set_attribute("http.response.status_code", status)


def _bounded(receive: Receive) -> Receive:
    """Stop reading a body that is too large; FastAPI's own limit would answer as plain text."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_MAX_BYTES:
            raise HTTPException(413, f"A request may have at most {BODY_MAX_BYTES} bytes.")
        return message

    return receive_bounded
