"""The way of commands to a running Kontor."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.identity import machine_token
from deploy.cli.state import gateway_url

if TYPE_CHECKING:
    import httpx

__all__ = ["Url", "gateway_client"]

Url = Annotated[
    str, typer.Option(envvar="KONTOR_URL", help="The gateway; default: the embedded one.")
]


def gateway_client(url: str, state: Path) -> "httpx.Client":
    """A client of the gateway; its token is `KONTOR_TOKEN`, else one made for this machine."""
    import httpx

    token = os.environ.get("KONTOR_TOKEN") or machine_token(state)
    return httpx.Client(
        base_url=f"{url or gateway_url(state)}/v1",
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    )
