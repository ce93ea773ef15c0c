"""Where the embedded stack keeps its data, and where its gateway listens."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["STATE", "State", "gateway_url"]

State = Annotated[
    Path, typer.Option(envvar="KONTOR_STATE", help="Where servers and documents are kept.")
]
STATE = Path(".kontor/data")


def gateway_url(state: Path) -> str:
    """The address of the embedded gateway that last ran on this state."""
    port = (state / "run" / "gateway.port").read_text("utf-8").strip()
    return f"http://127.0.0.1:{port}"
