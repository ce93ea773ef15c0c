"""`kontor failures`: messages that could not be handled."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli.client import Url, gateway_client
from deploy.cli.state import STATE, State

if TYPE_CHECKING:
    import httpx

__all__ = ["app"]

app = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)
console = Console(highlight=False)

_SERVICES = ("identity", "customers", "subscriptions", "billing", "notifier")

Service = Annotated[str, typer.Argument(help="The service whose failures are meant.")]
Parked = Annotated[bool, typer.Option("--parked", help="Waiting messages, not dead letters.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Failures by id.")]
All = Annotated[bool, typer.Option("--all", help="All of this service.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which ones it would be.")]


def _kind(parked: bool) -> str:
    return "parked" if parked else "dead"


def _pages(client: "httpx.Client", service: str, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = client.get(
            f"/{service}/failures", params={"kind": kind, "after": after, "limit": 200}
        )
        page = answer.raise_for_status().json()
        found += page["items"]
        after = page["next"]
    return found


@app.command("list")
def list_failures(url: Url = "", state: State = STATE, *, parked: Parked = False) -> None:
    """List the failures of every service."""
    table = Table("service", "id", "type", "since", "key", "reason", box=None)
    with gateway_client(url, state) as client:
        for service in _SERVICES:
            for item in _pages(client, service, _kind(parked)):
                table.add_row(
                    service,
                    str(item["id"]),
                    item["type"] or "?",
                    item["since"][:19],
                    item["key"],
                    item["reason"],
                )
    console.print(table if table.row_count else "none")


@app.command()
def show(
    service: Service,
    failure_id: int,
    url: Url = "",
    state: State = STATE,
    *,
    parked: Parked = False,
) -> None:
    """Show one failure with its headers and body."""
    with gateway_client(url, state) as client:
        answer = client.get(f"/{service}/failures/{_kind(parked)}/{failure_id}")
        console.print_json(json.dumps(answer.raise_for_status().json()))


@app.command()
def replay(
    service: Service,
    ids: Ids = None,
    url: Url = "",
    state: State = STATE,
    *,
    parked: Parked = False,
    everything: All = False,
    dry_run: DryRun = False,
) -> None:
    """Have failures handled again. Repeating it changes nothing."""
    _act("replay", service, ids, url, state, _kind(parked), everything, dry_run)


@app.command()
def discard(
    service: Service,
    ids: Ids = None,
    url: Url = "",
    state: State = STATE,
    *,
    parked: Parked = False,
    everything: All = False,
    dry_run: DryRun = False,
) -> None:
    """Give failures up for good."""
    _act("discard", service, ids, url, state, _kind(parked), everything, dry_run)


def _act(
    act: str,
    service: str,
    ids: list[int] | None,
    url: str,
    state: Path,
    kind: str,
    everything: bool,
    dry_run: bool,
) -> None:
    if bool(ids) == everything:
        raise typer.BadParameter("name ids, or --all")
    with gateway_client(url, state) as client:
        chosen = ids or [item["id"] for item in _pages(client, service, kind)]
        for first in range(0, len(chosen), 1000):
            body = {"kind": kind, "ids": chosen[first : first + 1000], "dry_run": dry_run}
            answer = client.post(f"/{service}/failures/{act}", json=body).raise_for_status().json()
            word = f"would {act}" if dry_run else act
            console.print(f"{word}: {answer['resolved']}; passed over: {answer['passed_over']}")
