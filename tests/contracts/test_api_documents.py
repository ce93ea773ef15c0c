"""What is committed in `docs/api/` is what the code says, and is valid."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.contracts import ROOT, build_apps, documents
from deploy.gateway.routes import api_routes
from shared.auth import required_scope, rule_of

GENERATED = documents()
OPENAPI = [path for path in GENERATED if path.name.startswith("openapi")]


def test_docs_api_holds_nothing_else() -> None:
    committed = {p.relative_to(ROOT) for p in (ROOT / "docs/api").rglob("*") if p.is_file()}

    written = {path for path in GENERATED if path.is_relative_to("docs/api")}
    assert committed == written, "run `make contracts`"


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_committed_document_is_up_to_date(path: Path) -> None:
    assert (ROOT / path).read_text("utf-8") == GENERATED[path], "run `make contracts`"


def test_writing_them_in_another_process_gives_the_same() -> None:
    """Hash seeds differ between processes; the order in a document must not."""
    program = (
        "import json; from deploy.contracts import documents; "
        "print(json.dumps({str(p): text for p, text in documents().items()}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        check=True,
    )

    assert json.loads(answer.stdout) == {str(path): text for path, text in GENERATED.items()}


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.name)
def test_an_openapi_document_is_valid(path: Path) -> None:
    validator = OpenAPIV31SpecValidator(json.loads(GENERATED[path]))

    assert [error.message for error in validator.iter_errors()] == []


def test_an_invalid_openapi_document_would_be_noticed() -> None:
    document = json.loads(GENERATED[OPENAPI[0]])
    del document["info"]["title"]

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) != []


def operations(document: Any) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, item in document["paths"].items() for method in item}


@pytest.mark.parametrize("name", sorted(build_apps()))
def test_a_service_documents_all_its_routes_under_v1(name: str) -> None:
    app = build_apps()[name]
    served = {
        (method, route.path)
        for route in api_routes(app)
        if route.include_in_schema
        for method in route.methods or ()
    }

    assert served
    # RFC 8414 and RFC 6749 clients look for these at the root.
    rooted = {"/oauth/token", "/.well-known/jwks.json"}
    assert all(path.startswith("/v1/") or path in rooted for _, path in served)
    assert operations(app.openapi()) == served


def test_the_merged_document_has_every_operation_once() -> None:
    whole = json.loads(GENERATED[Path("docs/api/openapi.json")])
    parts = [json.loads(GENERATED[p]) for p in OPENAPI if p.name != "openapi.json"]
    everything = [operation for part in parts for operation in operations(part)]

    assert len(everything) == len(set(everything))
    assert operations(whole) == set(everything)
    ids = [op["operationId"] for item in whole["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


def test_merging_changes_no_operation() -> None:
    """Schemas that share a name keep apart: each operation means the same as in its service."""
    whole = json.loads(GENERATED[Path("docs/api/openapi.json")])
    for path in OPENAPI:
        part = json.loads(GENERATED[path])
        for place, item in part["paths"].items():
            assert unfolded(whole["paths"][place], whole) == unfolded(item, part)


def unfolded(node: Any, document: Any) -> Any:
    """A document's part with the schemas it refers to put in their places."""
    if isinstance(node, list):
        return [unfolded(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return unfolded(document["components"]["schemas"][name], document)
    return {name: unfolded(value, document) for name, value in node.items()}


def test_the_route_table_names_each_route_with_its_scope() -> None:
    table = GENERATED[Path("docs/api/routes.md")]
    rows = {tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in table.splitlines()}
    for name, app in build_apps().items():
        for route in api_routes(app):
            scope = required_scope(route)
            for method in route.methods or ():
                rule = rule_of(route)
                asked = "*a signature*" if rule and rule.signed else "*open*"
                shown = f"`{scope}`" if scope else asked
                assert (method, f"`{route.path}`", name, shown) in rows
