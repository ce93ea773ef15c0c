"""A mail server that keeps what it gets: one .eml file per mail, readable as a list.

For fault tests it misbehaves on demand, see `Behaviour`.
"""

import argparse
import asyncio
import itertools
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from pathlib import Path
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.process import HOST, Server, accepts_connections

BEHAVIOUR_FILE = "behaviour.json"
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class Behaviour(StrEnum):
    """What happens to a mail once its text is in."""

    OK = "ok"
    STALL = "stall"  # no answer, nothing kept
    REJECT_4XX = "reject_4xx"
    REJECT_5XX = "reject_5xx"
    DROP_AFTER_DATA = "drop_after_data"  # kept, but the sender never learns it


@dataclass(frozen=True, slots=True)
class Mail:
    message: EmailMessage
    received_at: datetime
    path: Path


class MailboxServer(Server):
    name = "mailbox"

    def command(self) -> list[str]:
        options = ["--port", str(self.port), "--dir", str(self.folder)]
        return [sys.executable, "-m", "deploy.local.mailbox", *options]

    def is_ready(self) -> bool:
        return accepts_connections(self.port)


def read_mailbox(folder: Path) -> list[Mail]:
    """All mails, oldest first."""
    return [read_mail(path) for path in sorted(folder.glob("*.eml"))]


def set_behaviour(folder: Path, behaviour: Behaviour) -> None:
    """Choose what happens to every later mail."""
    unfinished = folder / f"{BEHAVIOUR_FILE}.tmp"
    unfinished.write_text(json.dumps({"mode": behaviour}))
    unfinished.replace(folder / BEHAVIOUR_FILE)


def read_mail(path: Path) -> Mail:
    received_at = datetime.strptime(path.name.partition("-")[0], TIME_FORMAT).replace(tzinfo=UTC)
    # Lines end in CRLF on the wire and in the file, in \n for whoever reads the text.
    message = message_from_bytes(path.read_bytes().replace(b"\r\n", b"\n"), policy=default)
    return Mail(message, received_at, path)


class _Mailbox:
    """Handler of aiosmtpd."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        match self._behaviour():
            case Behaviour.STALL:
                await asyncio.Event().wait()  # until the sender gives up and this is cancelled
            case Behaviour.REJECT_4XX:
                return "451 4.3.0 Try again later"
            case Behaviour.REJECT_5XX:
                return "550 5.7.1 Refused"
            case Behaviour.DROP_AFTER_DATA:
                self._keep(envelope)
                cast("asyncio.Transport", server.transport).abort()
                await asyncio.Event().wait()
            case _:
                self._keep(envelope)
        return "250 2.0.0 OK"

    def _behaviour(self) -> Behaviour:
        try:
            return Behaviour(json.loads((self._folder / BEHAVIOUR_FILE).read_text())["mode"])
        except FileNotFoundError:
            return Behaviour.OK

    def _keep(self, envelope: Envelope) -> None:
        name = f"{datetime.now(UTC).strftime(TIME_FORMAT)}-{next(self._numbers):06}"
        unfinished = self._folder / f"{name}.tmp"
        unfinished.write_bytes(envelope.original_content or b"")
        unfinished.rename(self._folder / f"{name}.eml")


async def serve(folder: Path, port: int) -> None:
    mailbox = _Mailbox(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, enable_SMTPUTF8=True), HOST, port
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.dir, options.port))


if __name__ == "__main__":
    main()
