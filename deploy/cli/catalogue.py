"""`kontor catalogue`: plans, modules and prices as a file that is kept under version control."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli.client import Url, gateway_client
from deploy.cli.state import STATE, State

if TYPE_CHECKING:
    import httpx

__all__ = ["app"]

app = typer.Typer(help="The catalogue as a file.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)
problems = Console(highlight=False, soft_wrap=True, stderr=True)

_CHANGES = 2  # what `plan` exits with when there are some
_SIGNS = {"create": "+", "change": "~", "archive": "-", "unarchive": "+"}


class FileKind(StrEnum):
    YAML = "yaml"
    JSON = "json"


Source = Annotated[Path, typer.Argument(help="A YAML (or JSON) file.", metavar="FILE")]
Missing = Annotated[
    bool, typer.Option("--archive-missing", help="Archive the products that it does not name.")
]


@app.command("export")
def export(
    url: Url = "",
    state: State = STATE,
    *,
    kind: Annotated[FileKind, typer.Option("--format")] = FileKind.YAML,
) -> None:
    """Print the whole catalogue, always in the same order."""
    with gateway_client(url, state) as client:
        answer = _asked(client, "GET", "/catalogue/export", params={"format": kind.value})
    typer.echo(answer.text, nl=False)


@app.command("plan")
def plan(
    file: Source, url: Url = "", state: State = STATE, *, archive_missing: Missing = False
) -> None:
    """Show what a file would change, and change nothing.

    Exits with 0 when that is nothing, 2 when there are changes, 1 when something is wrong.
    """
    content = _content(file)
    with gateway_client(url, state) as client:
        found = _imported(client, content, archive_missing=archive_missing, dry_run=True).json()
    _show(found)
    if found["changes"]:
        raise typer.Exit(_CHANGES)


@app.command("apply")
def apply(
    file: Source,
    url: Url = "",
    state: State = STATE,
    *,
    archive_missing: Missing = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what a file changes, ask, and save it. Doing it again changes nothing."""
    content = _content(file)
    with gateway_client(url, state) as client:
        planned = _imported(client, content, archive_missing=archive_missing, dry_run=True)
        found = planned.json()
        _show(found)
        if not found["changes"]:
            return
        if not yes and not typer.confirm("Save this?"):
            raise typer.Exit(1)
        # Exactly what was shown: whatever somebody else has saved since would be another change.
        _imported(
            client,
            content,
            archive_missing=archive_missing,
            dry_run=False,
            headers={"if-match": planned.headers["etag"]},
        )
    console.print("Saved.")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        _fail(f"{file}: {error.strerror}")


def _imported(
    client: "httpx.Client",
    content: bytes,
    *,
    archive_missing: bool,
    dry_run: bool,
    headers: dict[str, str] | None = None,
) -> "httpx.Response":
    return _asked(
        client,
        "POST",
        "/catalogue/import",
        params={"dry_run": dry_run, "archive_missing": archive_missing},
        content=content,
        headers={"content-type": "application/yaml", **(headers or {})},
    )


def _asked(client: "httpx.Client", method: str, path: str, **options: Any) -> "httpx.Response":
    import httpx

    try:
        answer = client.request(method, path, **options)
    except httpx.HTTPError as error:
        _fail(f"{client.base_url} does not answer: {error}")
    if answer.is_error:
        kind = answer.headers.get("content-type", "")
        problem = answer.json() if kind == "application/problem+json" else {}
        found = [f"{e['field']}: {e['rule']}" for e in problem.get("errors", ())]
        _fail("\n".join(found) or problem.get("detail") or f"{answer.status_code} {answer.text}")
    return answer


def _show(found: dict[str, Any]) -> None:
    for change in found["changes"]:
        name = escape(f"{change['part']} {change['key']}")
        console.print(f"{_SIGNS[change['change']]} {name}  [dim]{escape(change['name'])}[/]")
        for field in change["fields"]:
            was = "" if change["change"] == "create" else f"{field['before']!r} -> "
            console.print(escape(f"    {field['field']}: {was}{field['after']!r}"))
        for price in change["prices"]:
            was = f"{_terms(price['before'])} -> " if price["before"] else ""
            slot = f"{price['currency']} {price['cycle']}"
            console.print(escape(f"    {slot}: {was}{_terms(price['after'])}"))
    if not found["changes"]:
        console.print("Nothing to change.")
    for left in found["missing"]:
        console.print(f"[dim]not in the file: {escape(left['part'])} {escape(left['key'])}[/]")


def _terms(price: dict[str, Any]) -> str:
    return f"{price['unit_price'] or 'on request'} {price['basis']} {price['vat_category']}"


def _fail(text: str) -> NoReturn:
    problems.print(f"[red]{escape(text)}[/]")
    raise typer.Exit(1)
