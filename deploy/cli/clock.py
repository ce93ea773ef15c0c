"""`kontor clock`: step the time of a development stack, to see what time brings."""

import re
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.state import STATE, State
from deploy.local.development_clock import clock_file
from shared.clock import SteppedClock

__all__ = ["app"]

app = typer.Typer(help="Step the clock of the embedded stack.", no_args_is_help=True)
console = Console(highlight=False)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STEP_MAX = timedelta(days=3_660)


def _step(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    step = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta.max
    if step > _STEP_MAX:
        raise typer.BadParameter("must be such as 90m, 12h, 30d or 2w, and at most ten years")
    return step


@app.command()
def advance(
    step: Annotated[timedelta, typer.Argument(parser=_step, metavar="STEP", help="Such as 30d.")],
    state: State = STATE,
) -> None:
    """Step forward. All running services follow within a second; sessions and tokens may end."""
    clock = SteppedClock(clock_file(state))
    clock.advance(step)
    console.print(f"It is {clock():%Y-%m-%d %H:%M} UTC.")


@app.command()
def show(state: State = STATE) -> None:
    """Tell what time it is for the services."""
    clock = SteppedClock(clock_file(state))
    console.print(f"It is {clock():%Y-%m-%d %H:%M} UTC, {clock.ahead} ahead.")
