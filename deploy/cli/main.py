"""The `kontor` command."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli import catalogue, clock, failures, identity
from deploy.cli.state import STATE, State

app = typer.Typer(
    help="Kontor: self-hosted subscription billing.", no_args_is_help=True, add_completion=False
)
console = Console(highlight=False)


app.add_typer(catalogue.app, name="catalogue")
app.add_typer(clock.app, name="clock")
app.add_typer(failures.app, name="failures")
app.add_typer(identity.operators, name="operator")
app.add_typer(identity.keys, name="keys")
app.command()(identity.token)


@app.callback()
def _main() -> None:
    """Keep `kontor` a command with subcommands."""


@app.command()
def up(
    state: State = STATE,
    *,
    demo: Annotated[bool, typer.Option(help="Seed demo data and play the main job.")] = False,
    once: Annotated[bool, typer.Option(help="Stop when everything has been shown.")] = False,
) -> None:
    """Start PostgreSQL, Kafka, a mailbox and every service on this machine."""
    from deploy.local.servers import ServerFailedError, StateInUseError
    from deploy.local.stack import running_stack
    from deploy.local.story import StoryFailed

    # A terminated `kontor` cleans up as an interrupted one does, also where the shell that put it
    # into the background made it ignore both.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.default_int_handler)
    started = time.monotonic()
    progress = _Progress()
    try:
        with running_stack(state, report=progress.report) as stack:
            progress.done(time.monotonic() - started)
            access = _play(stack, state) if demo else None
            _addresses(stack, state, access)
            if not once:
                console.print("Ctrl-C stops everything.")
            while not once:
                if ended := stack.ended():
                    _fail(f"{ended} ended; see {stack.processes[ended].log}")
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (ServerFailedError, StateInUseError, StoryFailed) as error:
        _fail(str(error))


@app.command()
def reset(state: State = STATE) -> None:
    """Delete all data of the embedded stack."""
    from deploy.local.servers import StateInUseError, state_in_use

    try:
        with state_in_use(state):
            for entry in state.iterdir():
                if entry.name != "lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    except StateInUseError as error:
        _fail(str(error))
    console.print(f"{state} is empty.")


@app.command()
def mailbox(state: State = STATE) -> None:
    """List the mails that the embedded mailbox has received."""
    from deploy.local.mailbox import read_mailbox

    for mail in read_mailbox(state / "mailbox"):
        subject, to = escape(str(mail.message["Subject"])), escape(str(mail.message["To"]))
        console.print(f"{mail.received_at:%Y-%m-%d %H:%M:%S}  {to}  {subject}  {mail.path}")


def _play(stack: Any, state: Path) -> Any:
    from deploy.local.access import make_access
    from deploy.local.seed import api, seed
    from deploy.local.story import Story

    begun = time.monotonic()
    access = make_access(identity.identity_settings(state), state / "access.json")
    token = access.token(stack.url)
    _say("0 token", f"for API client {access.client_id}", time.monotonic() - begun)
    with api(stack.url, token) as client:
        begun = time.monotonic()
        customers = seed(client)
        _say("0 seeded", f"catalogue, seller, {len(customers)} customers", time.monotonic() - begun)
        story = Story(
            client, stack.servers.kafka_bootstrap, stack.servers.mailbox_dir, state / "demo", _say
        )
        story.play()
    return access


def _say(step: str, result: str, seconds: float) -> None:
    console.print(
        f"[green]✓[/] [bold]{step}[/]  {escape(result)}  [dim]{seconds * 1000:.0f} ms[/]",
        soft_wrap=True,
    )


def _addresses(stack: Any, state: Path, access: Any) -> None:
    console.print(f"Console    [bold]{stack.url}[/]")
    if access:
        console.print(f"Operator   {access.email}  password {access.password}", soft_wrap=True)
        console.print(
            f"API client {access.client_id}  secret {access.client_secret}", soft_wrap=True
        )
    else:
        console.print("Operators  kontor operator create EMAIL NAME")
    console.print(f"API docs   {stack.url}/docs")
    console.print(f"Mailbox    {stack.servers.mailbox_dir}  (kontor mailbox lists it)")
    console.print(f"Logs       {state / 'logs'}")


def _fail(message: str) -> None:
    console.print(f"[red]{escape(message)}[/]")
    raise typer.Exit(1)


class _Progress:
    """One line that says what starts, and how far it is."""

    def __init__(self) -> None:
        self._status = console.status("Starting")
        self._status.start()

    def report(self, name: str, text: str) -> None:
        self._status.update(f"{name}: {text}")
        if not console.is_terminal:
            console.print(f"{name}: {text}", style="dim")

    def done(self, seconds: float) -> None:
        self._status.stop()
        console.print(f"[green]✓[/] [bold]everything runs[/]  [dim]{seconds:.1f} s[/]")


def run() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    app()
