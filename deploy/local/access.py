"""Somebody who may do everything, for the embedded stack: an operator and an API client."""

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from services.identity.settings import IdentitySettings

__all__ = ["Access", "make_access", "private_file"]

_EMAIL = "admin@kontor.example"


@dataclass(frozen=True, slots=True)
class Access:
    """Made once and kept in the state folder, where only its owner reads it."""

    email: str
    password: str
    client_id: str
    client_secret: str

    def token(self, url: str) -> str:
        """A token of the API client, as any integrator gets it."""
        answer = httpx.post(
            f"{url}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(self.client_id, self.client_secret),
            timeout=30,
        )
        return str(answer.raise_for_status().json()["access_token"])


def private_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read, never readable in between."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def make_access(settings: "IdentitySettings", file: Path) -> Access:
    """Return what `file` holds; the first time operator and client are made."""
    if not file.exists():
        asyncio.run(_make(settings, file))
    return Access(**json.loads(file.read_text("utf-8")))


async def _make(settings: "IdentitySettings", file: Path) -> None:
    from services.identity.domain.roles import SCOPES
    from services.identity.use_cases.clients import create_client
    from services.identity.use_cases.operators import create_operator
    from shared.clock import new_id, new_secret, system_clock
    from shared.database import Database

    password, now, actor = new_secret(), system_clock(), "machine:demo"
    database = Database(settings.database_url, 1)
    async with database.transaction() as tx:
        client, secret = await create_client(
            tx,
            "Demo",
            sorted(SCOPES),
            None,
            granting=SCOPES,
            actor=actor,
            now=now,
            new_id=new_id,
            new_secret=new_secret,
        )
        await create_operator(
            tx,
            _EMAIL,
            "Demo administrator",
            "admin",
            password=password,
            granting=SCOPES,
            actor=actor,
            now=now,
            new_id=new_id,
        )
        made = Access(_EMAIL, password, str(client.id), secret)
        private_file(file, json.dumps(asdict(made)))
    await database.close()
