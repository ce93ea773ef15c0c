"""The embedded servers are real, keep their data, and never outlive their parent."""

import asyncio
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.mailbox import Behaviour, read_mailbox, set_behaviour
from deploy.local.process import wait_until
from deploy.local.servers import (
    KafkaServer,
    MailboxServer,
    PostgresServer,
    StateInUseError,
    running_servers,
)

TOPIC = "greetings"
LIMIT_SECONDS = 20


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def produce(bootstrap: str, text: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(TOPIC, text)


async def create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def first_record(bootstrap: str, group: str) -> bytes:
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), LIMIT_SECONDS)
    return bytes(record.value)


def deliver(port: int, subject: str, limit_seconds: float = 5) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "billing@example.org", "ada@example.org"
    message["Subject"] = subject
    message.set_content("Grüße")
    with smtplib.SMTP("127.0.0.1", port, timeout=limit_seconds) as smtp:
        smtp.send_message(message)


async def test_all_servers_work_and_find_their_data_at_the_second_start(tmp_path: Path) -> None:
    state = tmp_path / "a state folder, far down" / ("long" * 30)
    with running_servers(state) as first:
        await execute(first.postgres_url, "CREATE TABLE t AS SELECT 'kept' AS word")
        await create_topic(first.kafka_bootstrap)
        await produce(first.kafka_bootstrap, b"hello")
        assert await first_record(first.kafka_bootstrap, "before") == b"hello"
        deliver(first.smtp_port, "Your invoice")
        with pytest.raises(StateInUseError, match=r"pid \d+"), running_servers(state):
            pass
    with running_servers(state) as second:
        assert second == first, "ports and password are remembered"
        assert await value(second.postgres_url, "SELECT word FROM t") == "kept"
        assert await first_record(second.kafka_bootstrap, "after") == b"hello"
        (mail,) = read_mailbox(second.mailbox_dir)
        assert mail.message["Subject"] == "Your invoice"
        assert mail.message.get_content() == "Grüße\n"


async def test_killed_postgres_starts_again_with_its_data(tmp_path: Path) -> None:
    with PostgresServer(tmp_path) as postgres:
        url = postgres.url
        await execute(url, "CREATE TABLE t AS SELECT 1 AS n")
        assert await value(url, "SHOW fsync") == "on"
        assert await value(url, "SHOW timezone") == "UTC"
        postgres.kill()
        with pytest.raises(OSError, match="111"):
            await asyncpg.connect(url)
        postgres.start()
        assert postgres.url == url
        assert await value(url, "SELECT n FROM t") == 1


async def test_killed_kafka_starts_again_with_its_data(tmp_path: Path) -> None:
    with KafkaServer(tmp_path) as kafka:
        bootstrap = kafka.bootstrap
        await create_topic(bootstrap)
        await produce(bootstrap, b"hello")
        kafka.kill()
        kafka.start()
        assert kafka.bootstrap == bootstrap
        await produce(bootstrap, b"and again")
        assert await first_record(bootstrap, "after") == b"hello"


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[MailboxServer]:
    with MailboxServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    ("behaviour", "answer", "kept"),
    [
        (Behaviour.STALL, "timed out", 0),
        (Behaviour.REJECT_4XX, "451", 0),
        (Behaviour.REJECT_5XX, "550", 0),
        (Behaviour.DROP_AFTER_DATA, "unexpectedly closed", 1),
    ],
)
def test_mailbox_behaves_as_told(
    mailbox: MailboxServer, behaviour: Behaviour, answer: str, kept: int
) -> None:
    set_behaviour(mailbox.folder, behaviour)
    with pytest.raises(smtplib.SMTPException, match=answer):
        deliver(mailbox.port, "x", limit_seconds=0.5)
    assert len(read_mailbox(mailbox.folder)) == kept
    set_behaviour(mailbox.folder, Behaviour.OK)
    deliver(mailbox.port, "the next one")
    assert len(read_mailbox(mailbox.folder)) == kept + 1
    assert "Traceback" not in mailbox.log.read_text()


def test_a_taken_port_is_chosen_anew(tmp_path: Path) -> None:
    with MailboxServer(tmp_path) as first:
        pass
    with socket.create_server(("127.0.0.1", first.port)), MailboxServer(tmp_path) as second:
        assert second.port != first.port


def test_servers_die_with_their_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from deploy.local.servers import PostgresServer, MailboxServer;"
        "servers = [s(pathlib.Path(sys.argv[1])).start() for s in (PostgresServer, MailboxServer)];"
        "print(*(s.pid for s in servers), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    # At once, while the former one may still be shutting down.
    with PostgresServer(tmp_path) as postgres:
        assert postgres.pid not in pids
    assert wait_until(lambda: not any(map(is_alive, pids)), LIMIT_SECONDS)


def is_alive(pid: int) -> bool:
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
