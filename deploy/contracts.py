"""`python -m deploy.contracts`: write what others may rely on, from the code that keeps it.

`docs/api/` is for readers; `tests/contracts/published/` holds each event's schema as its readers
know it. Inside a major version that may only gain optional fields: anything else is refused.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from deploy.gateway.app import merged_openapi
from deploy.gateway.caddy import caddyfile
from deploy.gateway.routes import api_routes, route_table
from deploy.services import SERVICES
from services.billing.domain import invoice
from services.identity.domain.roles import ROLES
from services.subscriptions.domain import matrix, subscription
from shared.auth import Rule, rule_of
from shared.events import Topic, topics
from shared.events.asyncapi import asyncapi_document, event_schema
from shared.messaging.topics import RETENTION_MS, group_of
from shared.service import Service

__all__ = [
    "PUBLISHED",
    "ROOT",
    "BreakingChange",
    "breaking_changes",
    "build_apps",
    "consumed_topics",
    "documents",
    "published_schemas",
]

ROOT = Path(__file__).parent.parent
PUBLISHED = Path("tests/contracts/published")
_API = Path("docs/api")
_ACCEPT = "--accept-breaking"
_NOBODY_LISTENS = {
    "database_url": "postgresql://nobody@127.0.0.1:1/",
    "storage_url": "memory:///",
    "auth_issuer": "https://nobody.invalid",
    "auth_jwks_url": "https://nobody.invalid/jwks.json",
}


class BreakingChange(Exception):
    """A published event would no longer be what its readers know."""


def documents() -> dict[Path, str]:
    """Everything in `docs/api/`: path from the root of the repository -> content."""
    apps = build_apps()
    events = asyncapi_document(
        version=version("kontor"), groups=_groups(), retention_ms=RETENTION_MS
    )
    return {
        _API / "asyncapi.json": _json(events),
        **{_API / f"openapi-{name}.json": _json(app.openapi()) for name, app in apps.items()},
        _API / "openapi.json": _json(merged_openapi(apps)),
        _API / "routes.md": _routes(apps),
        _API / "access.md": _access(apps),
        Path("deploy/gateway/Caddyfile"): caddyfile(route_table(apps)),
        _API / "transitions.md": _transitions(),
        _API / "actions.md": _actions(),
    }


def published_schemas() -> dict[Path, str]:
    """The schema of every event: path from the root of the repository -> content."""
    return {
        PUBLISHED / topic.name / f"{kind}.json": _json(event_schema(event))
        for topic, events in topics().items()
        for kind, event in events.items()
    }


def build_apps() -> dict[str, FastAPI]:
    """Each service's API, on addresses where nobody listens."""
    return {name: s.build_api(_settings(s)) for name, s in sorted(SERVICES.items())}


def consumed_topics() -> dict[str, list[Topic]]:
    """Which topics each service reads."""
    return {
        name: [consumer.topic for consumer in service.build_worker(_settings(service)).consumers]
        for name, service in sorted(SERVICES.items())
    }


def _settings(service: Service) -> Any:
    fields = service.settings.model_fields
    return service.settings(**{k: v for k, v in _NOBODY_LISTENS.items() if k in fields})


def _groups() -> dict[Topic, list[str]]:
    groups: dict[Topic, list[str]] = defaultdict(list)
    for service, consumed in consumed_topics().items():
        for topic in consumed:
            groups[topic].append(group_of(service, topic))
    return groups


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# -- tables for people -------------------------------------------------------------------------


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _generated(title: str, *lines: str) -> str:
    return "\n".join([f"# {title}", "", "Written by `make contracts`.", "", *lines, ""])


def _routes(apps: Mapping[str, FastAPI]) -> str:
    rows = sorted(
        (route.path, method, name, _asked(rule_of(route), "*open*"))
        for name, app in apps.items()
        for route in api_routes(app)
        for method in route.methods or ()
    )
    return _generated(
        "Routes",
        "A caller needs the scope; *open* routes need none, others *a signature* of what is sent.",
        "",
        *_table(
            ("Method", "Path", "Service", "Scope"),
            ((method, f"`{path}`", name, asked) for path, method, name, asked in rows),
        ),
    )


def _access(apps: Mapping[str, FastAPI]) -> str:
    rules = sorted(
        (route.path, method, rule)
        for app in apps.values()
        for route in api_routes(app)
        if (rule := rule_of(route))
        for method in route.methods or ()
    )
    return _generated(
        "Who may call what",
        "Services ask for scopes; identity gives an operator those of the role. A caller who is",
        "restricted to certain customers reaches only the routes marked so, and there only them.",
        "A route that asks for *a signature* is for programs that sign what they send.",
        "",
        *_table(
            ("Method", "Path", "Scope", *ROLES, "Restricted callers"),
            (
                (
                    method,
                    f"`{path}`",
                    _asked(rule, "*anybody*"),
                    *(
                        "x" if rule.scope in {None, *s} and not rule.signed else ""
                        for s in ROLES.values()
                    ),
                    "x" if rule.per_customer or "{customer_id}" in path else "",
                )
                for path, method, rule in rules
            ),
        ),
    )


def _asked(rule: Rule | None, nothing: str) -> str:
    if rule and rule.signed:
        return "*a signature*"
    return f"`{rule.scope}`" if rule and rule.scope else nothing


def _transitions() -> str:
    subscriptions = [
        (before, str(trigger), after, event)
        for (before, trigger), (after, event) in subscription.TRANSITIONS.items()
    ]
    invoices = [
        (before, str(trigger), after, event)
        for (before, trigger), (after, event) in invoice.TRANSITIONS.items()
    ]
    return _generated(
        "Transitions",
        "Every edge publishes its event, but those of drafts, which are the operator's alone; what",
        "is not in a table is refused.",
        "",
        "## Subscription",
        "",
        *_state_machine(subscriptions, none="not booked", back="as before the cancellation"),
        "",
        "A first booking that is dropped leaves the subscription `withdrawn`, in history only.",
        "",
        "## Invoice",
        "",
        *_state_machine(invoices, none="not there", back="gone"),
    )


def _actions() -> str:
    def rows(table: Mapping[Any, Iterable[str]]) -> Iterable[tuple[str, str]]:
        for situation, names in table.items():
            offered = ", ".join(f"`{name}`" for name in names)
            reason = matrix.REASONS.get(situation, "")
            yield f"`{situation}`", offered or f"*nothing:* {reason}"

    waiting = ", ".join(f"`{name}`" for name in matrix.WAITING)
    booking = ", ".join(f"`{name}`" for name in sorted(matrix.BOOKING))
    return _generated(
        "Actions",
        "What a card offers, by the situation of its subscription. `paid`, `free`, `gift`, `once`",
        "are `active`; `none` is also `withdrawn`.",
        "",
        "## The card of what the customer has",
        "",
        *_table(("Situation", "Actions"), rows(matrix.OWN)),
        "",
        f"While an offer or a scheduled change waits beside it (not `pending`): also {waiting}.",
        "",
        "## The card of another plan, by the plan that runs",
        "",
        *_table(("Situation", "Actions"), rows(matrix.OTHER)),
        "",
        "## What takes actions away",
        "",
        "- A price that is missing or on request: its invoice. A trial that was had: the trial.",
        "- `upgrade` is for a dearer plan, `change_at_period_end` for any other, compared at the",
        "  price of the cycle that it leads to.",
        "- A customer that is not active, a module that the plan includes, a product that is not",
        f"  offered, more active users than the plan allows: {booking}.",
        "- A customer that is not active: also `revoke_cancellation`.",
    )


_Edge = tuple[str | None, str, str | None, str | None]


def _state_machine(edges: Iterable[_Edge], *, none: str, back: str) -> Iterator[str]:
    """A table and a diagram. `back`: what a state after of None is called."""
    edges = sorted(edges, key=lambda edge: (edge[0] or "", edge[1]))
    yield from _table(
        ("State before", "What happens", "State after", "Event"),
        (
            (
                f"`{before}`" if before else f"*{none}*",
                f"`{trigger}`",
                f"`{after}`" if after else f"*{back}*",
                f"`{event}`" if event else "-",
            )
            for before, trigger, after, event in edges
        ),
    )
    yield from ("", "```mermaid", "stateDiagram-v2")
    if any(after is None for _, _, after, _ in edges):
        yield f'    state "{back}" as before'
    for before, trigger, after, _ in edges:
        yield f"    {before or '[*]'} --> {after or 'before'}: {trigger}"
    yield "```"


# -- the gate ----------------------------------------------------------------------------------


def breaking_changes(published: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """What readers of a published schema could not follow, one sentence each.

    Old messages are read by new code and new ones by old code, so a field keeps its type, its
    allowed values, and whether it is required; new fields are optional.
    """
    before, after = dict(_fields(published)), dict(_fields(current))
    found = [f"{name} was removed" for name in before.keys() - after.keys()]
    for name, (required, kind) in after.items():
        if name not in before:
            parent = name.rpartition(".")[0]
            if required and (parent in before or not parent):
                found.append(f"{name} was added as a required field")
            continue
        was_required, was_kind = before[name]
        if kind != was_kind:
            found.append(f"{name} changed from {was_kind} to {kind}")
        if required != was_required:
            found.append(f"{name} became {'required' if required else 'optional'}")
    return sorted(found)


_SAYS_NOTHING_NEW = {"title", "description", "default", "examples", "$defs", "required"}


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, tuple[bool, str]]]:
    """Each field as a path such as `lines[].period.start`, with (required, type)."""
    yield from _walk(schema, "", schema.get("$defs", {}), required=True)


def _walk(
    node: Mapping[str, Any], path: str, definitions: Mapping[str, Any], *, required: bool
) -> Iterator[tuple[str, tuple[bool, str]]]:
    variants = [_resolved(v, definitions) for v in node.get("anyOf", [node])]
    if path:
        yield path, (required, " or ".join(sorted(map(_kind, variants))))
    for variant in variants:
        needed = set(variant.get("required", ()))
        for name, field in variant.get("properties", {}).items():
            inner = f"{path}.{name}" if path else name
            yield from _walk(field, inner, definitions, required=name in needed)
        if "items" in variant:
            yield from _walk(variant["items"], f"{path}[]", definitions, required=False)
        if isinstance(variant.get("additionalProperties"), dict):
            values = variant["additionalProperties"]
            yield from _walk(values, f"{path}{{}}", definitions, required=False)


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    target = node.get("$ref")
    return definitions[target.rpartition("/")[2]] if target else node


def _kind(schema: Mapping[str, Any]) -> str:
    """A type with its rules, without what is only said for people."""
    rules = {
        name: rule
        for name, rule in sorted(schema.items())
        if name not in _SAYS_NOTHING_NEW | {"properties", "items"}
        and not (name == "additionalProperties" and isinstance(rule, dict))
    }
    plain = rules.pop("type", "any")
    return f"{plain} {json.dumps(rules, sort_keys=True)}" if rules else str(plain)


def _refuse_breaking(root: Path) -> None:
    current = published_schemas()
    found = []
    for file in sorted((root / PUBLISHED).glob("*/*.json")):
        path = file.relative_to(root)
        if path not in current:
            found.append(f"{path}: the event was removed")
            continue
        changes = breaking_changes(json.loads(file.read_text("utf-8")), json.loads(current[path]))
        found += [f"{path}: {change}" for change in changes]
    if found:
        head = "Readers of these events would break; a new major version is a new topic:"
        raise BreakingChange("\n".join([head, *found]))


def _write(root: Path, folder: Path, files: Mapping[Path, str]) -> None:
    for stale in (root / folder).rglob("*"):
        if stale.is_file() and stale.relative_to(root) not in files:
            stale.unlink()
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, "utf-8")


def main(arguments: list[str]) -> None:
    if arguments != [_ACCEPT]:
        try:
            _refuse_breaking(ROOT)
        except BreakingChange as error:
            sys.exit(f"{error}\n\nBefore anybody reads them: python -m deploy.contracts {_ACCEPT}")
    _write(ROOT, _API, documents())
    _write(ROOT, PUBLISHED, published_schemas())


if __name__ == "__main__":
    main(sys.argv[1:])
