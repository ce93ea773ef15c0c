"""PostgreSQL, Kafka and a mailbox on this machine, for `make run` and the tests."""

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.kafka import KafkaServer
from deploy.local.mailbox import MailboxServer
from deploy.local.postgres import PostgresServer
from deploy.local.process import HOST, Report, Server, ServerFailedError, quiet

__all__ = [
    "KafkaServer",
    "MailboxServer",
    "PostgresServer",
    "ServerFailedError",
    "Servers",
    "StateInUseError",
    "running_servers",
    "state_in_use",
]


class StateInUseError(Exception):
    """Another run works on this state folder."""


@dataclass(frozen=True, slots=True)
class Servers:
    postgres_url: str  # of the superuser, on the database postgres
    kafka_bootstrap: str
    smtp_host: str
    smtp_port: int  # 0 without a mailbox
    mailbox_dir: Path


@contextmanager
def running_servers(
    state: Path, *, report: Report = quiet, durable: bool = True, mailbox: bool = True
) -> Iterator[Servers]:
    """Start all servers at once and stop them at the end; data in `state` is found again.

    Raises:
        StateInUseError: another run works on this folder.
        ServerFailedError: a server did not start.
    """
    with state_in_use(state), ExitStack() as stack:
        postgres = PostgresServer(state, durable=durable, report=report)
        kafka = KafkaServer(state, report=report)
        mail = MailboxServer(state, report=report)
        chosen: list[Server] = [postgres, kafka, *([mail] if mailbox else [])]
        for server in chosen:
            stack.callback(server.stop)
        with ThreadPoolExecutor(len(chosen)) as pool:
            list(pool.map(lambda server: server.start(), chosen))
        yield Servers(
            postgres_url=postgres.url,
            kafka_bootstrap=kafka.bootstrap,
            smtp_host=HOST,
            smtp_port=mail.port if mailbox else 0,
            mailbox_dir=mail.folder,
        )


@contextmanager
def state_in_use(state: Path) -> Iterator[None]:
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StateInUseError(
                f"another kontor runs on this folder (pid {lock.read()}): {state}"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
