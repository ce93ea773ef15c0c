"""`kontor operator`, `kontor keys`, `kontor token`: for whoever can reach identity's database."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from deploy.cli.state import STATE, State

if TYPE_CHECKING:
    from services.identity.settings import IdentitySettings
    from shared.database import Tx

__all__ = ["identity_settings", "keys", "machine_token", "operators", "token"]

operators = typer.Typer(help="Operators.", no_args_is_help=True)
keys = typer.Typer(help="The keys that tokens are signed with.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)

_T = TypeVar("_T")


class RoleName(StrEnum):
    VIEWER = "viewer"
    SUPPORT = "support"
    BILLING = "billing"
    ADMIN = "admin"


def identity_settings(state: Path) -> "IdentitySettings":
    """Identity's settings from the environment, else those of the embedded stack."""
    from services.identity.settings import IdentitySettings

    embedded = state / "run" / "identity.json"
    given = {
        "KONTOR_IDENTITY_DATABASE_URL",
        "KONTOR_IDENTITY_DATABASE_URL_FILE",
    } & os.environ.keys()
    if given or not embedded.exists():
        return IdentitySettings.load()
    return IdentitySettings.load({**os.environ, **json.loads(embedded.read_text("utf-8"))})


def _in_transaction(settings: "IdentitySettings", work: "Callable[[Tx], Awaitable[_T]]") -> _T:
    from shared.database import Database
    from shared.errors import KontorError

    async def run() -> _T:
        database = Database(settings.database_url, 1)
        try:
            async with database.transaction() as tx:
                return await work(tx)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except KontorError as error:
        console.print(f"[red]{error.detail}[/]")
        raise typer.Exit(1) from error


def _actor() -> str:
    return f"machine:{os.environ.get('USER') or os.geteuid()}"


def machine_token(state: Path, role: str = "admin") -> str:
    """A token for this machine's command line, with the scopes of a role."""
    from services.identity.domain.roles import scopes_of
    from services.identity.use_cases.tokens import issue_for_machine
    from shared.clock import new_id, system_clock

    settings = identity_settings(state)

    async def issue(tx: "Tx") -> str:
        name = _actor().partition(":")[2]
        issued = await issue_for_machine(
            tx, name, scopes_of(role), settings, now=system_clock(), new_id=new_id
        )
        return issued.token

    return _in_transaction(settings, issue)


def token(
    role: Annotated[RoleName, typer.Option(help="What it may do.")] = RoleName.ADMIN,
    state: State = STATE,
) -> None:
    """Print a token of some minutes, for `curl` and the like."""
    typer.echo(machine_token(state, role))


@operators.command("create")
def create(
    email: str,
    name: str,
    role: Annotated[RoleName, typer.Option(help="What they may do.")] = RoleName.ADMIN,
    state: State = STATE,
    *,
    invite: Annotated[
        bool, typer.Option(help="Mail a link instead of showing a password.")
    ] = False,
) -> None:
    """Add an operator, such as the first one."""
    from pydantic import TypeAdapter, ValidationError

    from services.identity.domain.roles import SCOPES
    from services.identity.use_cases.operators import create_operator
    from shared.clock import new_id, new_secret, system_clock
    from shared.fields import Email

    try:
        TypeAdapter(Email).validate_python(email)
    except ValidationError as error:
        raise typer.BadParameter("must be an e-mail address") from error
    password = None if invite else new_secret()

    async def add(tx: "Tx") -> Any:
        return await create_operator(
            tx,
            email,
            name,
            role.value,
            password=password,
            granting=SCOPES,
            actor=_actor(),
            now=system_clock(),
            new_id=new_id,
        )

    _in_transaction(identity_settings(state), add)
    if password is None:
        console.print(f"{email} gets a mail with a link.")
    else:
        console.print(f"{email} may sign in with the password {password}")


@operators.callback()
def _operators() -> None:
    """Keep `create` a subcommand."""


@keys.command("rotate")
def rotate(
    state: State = STATE,
    *,
    at_once: Annotated[
        bool, typer.Option(help="The old keys are known to somebody: nothing they signed counts.")
    ] = False,
) -> None:
    """Make a new signing key."""
    from services.identity.use_cases.keys import rotate_keys
    from shared.clock import new_id, system_clock

    settings = identity_settings(state)

    async def work(tx: "Tx") -> str:
        return await rotate_keys(
            tx, settings, at_once=at_once, actor=_actor(), now=system_clock(), new_id=new_id
        )

    console.print(f"new key {_in_transaction(settings, work)}")


@keys.callback()
def _keys() -> None:
    """Keep `rotate` a subcommand."""
