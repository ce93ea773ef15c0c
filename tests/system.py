"""All of Kontor in one process, on real servers: what integration tests talk to."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from deploy.gateway.app import Gateway
from deploy.local.mailbox import Mail, read_mail
from deploy.services import SERVICES
from services.identity.domain.roles import SCOPES
from shared.clock import SteppedClock
from shared.events import Event, Topic, topics
from shared.messaging.topics import create_topics
from shared.running import run_worker
from shared.settings import Settings
from shared.worker import Worker
from tests.servers import TestServers
from tests.tokens import issuer

__all__ = ["PROVIDER_SECRET", "System", "eventually"]

_T = TypeVar("_T")
LIMIT_S = 30.0
PROVIDER_SECRET = "whsec_" + "A" * 32
"""What messages of the payment provider `standard` are signed with."""


async def eventually(
    look: Callable[[], Awaitable[_T | None]], what: str = "", *, limit_s: float = LIMIT_S
) -> _T:
    """Wait until `look` finds something that is not None; fail after the limit."""
    deadline = time.monotonic() + limit_s
    while (found := await look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s:.0f} s for {what or look}")
        await asyncio.sleep(0.02)
    return found


@cache
def _heading(path: Path) -> str:
    """Subject, recipient, Message-ID; read once, without attachments, which take 20 ms each."""
    with path.open("rb") as file:
        head = BytesHeaderParser().parse(file, headersonly=True)
    return f"{make_header(decode_header(head['Subject']))} {head['To']} {head['Message-ID']}"


class System:
    """Enter it to start all workers and APIs; `run_workers=False` leaves the workers out.

    Attributes:
        api: client of the gateway as an administrator, with `/v1` as its base.
        prefix: stands before each topic and group of this system.
        environment: the settings as a process of its own would get them.
        clock: what all of its services have as the time; `advance` steps it.
    """

    def __init__(
        self,
        servers: TestServers,
        databases: Mapping[str, str],
        folder: Path,
        *,
        run_workers: Sequence[str] | bool = True,
        partitions: int = 3,
    ) -> None:
        self.servers = servers
        self.databases = dict(databases)
        self.prefix = f"t{uuid4().hex[:8]}."
        # Of its own: many systems of a run may share a folder.
        self.clock = SteppedClock(folder / f"{self.prefix}clock")
        self.environment = {
            "KONTOR_TEST_CLOCK": str(folder / f"{self.prefix}clock"),
            "KONTOR_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
            "KONTOR_TOPIC_PREFIX": self.prefix,
            "KONTOR_PARTITIONS": str(partitions),
            "KONTOR_DATABASE_POOL_SIZE": "5",
            "KONTOR_STORAGE_URL": f"file://{folder}",
            "KONTOR_NOTIFIER_SMTP_PORT": str(servers.smtp_port),
            "KONTOR_IDENTITY_SMTP_PORT": str(servers.smtp_port),
            "KONTOR_BILLING_STANDARD_SECRETS": PROVIDER_SECRET,
            # Everything comes from one address, and hundreds of requests at once.
            "KONTOR_RATE_LIMIT": "100000/second",
            "KONTOR_ANONYMOUS_RATE_LIMIT": "100000/second",
            **issuer().environment,
            **{f"KONTOR_{name.upper()}_DATABASE_URL": url for name, url in self.databases.items()},
        }
        names = list(SERVICES) if run_workers is True else list(run_workers or ())
        self._run = names
        self._partitions = partitions
        self._stop = asyncio.Event()
        self._stack = AsyncExitStack()
        self.workers: dict[str, Worker] = {}

    def settings(self, service: str) -> Settings:
        return SERVICES[service].settings.load(self.environment)

    async def __aenter__(self) -> Self:
        await self._create_topics()
        apps = {name: s.build_api(self.settings(name)) for name, s in SERVICES.items()}
        for app in apps.values():
            await self._stack.enter_async_context(app.router.lifespan_context(app))
        self._transport = httpx.ASGITransport(Gateway(apps), raise_app_exceptions=False)
        self.api = await self.client()
        self._tasks = [asyncio.create_task(self._work(name)) for name in self._run]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await self._stack.aclose()

    async def client(self, scopes: Iterable[str] = SCOPES, **options: Any) -> httpx.AsyncClient:
        """A client of the gateway with a token of its own, see `Issuer.token`."""
        return await self.client_with(issuer().headers(scopes, **options))

    async def client_with(self, headers: Mapping[str, str]) -> httpx.AsyncClient:
        return await self._stack.enter_async_context(
            httpx.AsyncClient(
                transport=self._transport,
                base_url="http://kontor/v1",
                headers=headers,
                timeout=60,
            )
        )

    def advance(self, by: timedelta) -> None:
        """Step the time of all services; tokens given before may have expired by it."""
        self.clock.advance(by)
        now = self.clock()
        self.api.headers.update(issuer().headers(iat=now, exp=now + timedelta(hours=4)))

    async def _work(self, name: str) -> None:
        service = SERVICES[name]
        worker = service.build_worker(self.settings(name))
        self.workers[name] = worker
        await run_worker(worker, ["worker", "relay", *service.jobs], self._stop)

    async def _create_topics(self) -> None:
        for name, service in SERVICES.items():
            worker = service.build_worker(self.settings(name))
            await create_topics(
                self.servers.kafka_bootstrap,
                self.prefix,
                name,
                [consumer.topic for consumer in worker.consumers],
                partitions=self._partitions,
                replication_factor=1,
            )
            await worker.close()

    # -- Kafka ---------------------------------------------------------------------------------

    async def send(self, event: Event, *, event_id: str | None = None, **headers: str) -> None:
        """Put an event on its topic, as its owner's relay would."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": event_id or str(uuid4()),
            "ce_type": event.TYPE,
            **headers,
        }
        value = event.model_dump_json().encode()
        await self.send_raw(event.TOPIC, event.key, value, attributes)

    async def send_raw(
        self, topic: Topic, key: str, value: bytes | None, headers: Mapping[str, str]
    ) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.servers.kafka_bootstrap, acks="all", enable_idempotence=True
        )
        async with producer:
            await producer.send_and_wait(
                f"{self.prefix}{topic.name}",
                value,
                key=key.encode(),
                headers=[(name, text.encode()) for name, text in headers.items()],
            )

    async def read_topic(self, name: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything on a topic (without prefix) up to now."""
        consumer = AIOKafkaConsumer(
            f"{self.prefix}{name}",
            bootstrap_servers=self.servers.kafka_bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        async with consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[ConsumerRecord[bytes, bytes]] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
        return found

    async def events(self, topic: Topic) -> list[Event]:
        """The events on a topic up to now, per key in order."""
        kinds = topics()[topic]
        return [
            kinds[dict(record.headers)["ce_type"].decode()].model_validate_json(record.value or b"")
            for record in await self.read_topic(topic.name)
        ]

    # -- databases and mails -------------------------------------------------------------------

    async def rows(self, service: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.databases[service])
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    def mails(self, containing: str) -> list[Mail]:
        """Mails whose subject, recipient or Message-ID contains a text.

        Every system of a run mails to the same mailbox, and each begins with number 1.
        """
        found = sorted(Path(self.servers.mailbox_dir).glob("*.eml"))
        return [read_mail(path) for path in found if containing in _heading(path)]

    # -- steps that many tests need ------------------------------------------------------------

    async def post(self, path: str, body: Any = None, *, expect: int = 201, **headers: str) -> Any:
        answer = await self.api.post(path, json=body, headers=headers)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def get(self, path: str, *, expect: int = 200, **parameters: Any) -> Any:
        answer = await self.api.get(path, params=parameters)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def known(self, customer_id: str) -> None:
        """Wait until every service has its copy of a customer."""

        async def look() -> bool | None:
            for service in ("subscriptions", "billing", "notifier"):
                query = "SELECT 1 FROM customers WHERE id = $1"
                if not await self.rows(service, query, customer_id):
                    return None
            return True

        await eventually(look, f"customer {customer_id} everywhere")

    async def seeded(self) -> None:
        """Save the demo seller and catalogue, and wait until they are known everywhere."""
        from deploy.local.seed import load  # noqa: PLC0415 - YAML only where it is needed

        for path, name in (("/settings/seller", "seller"), ("/catalogue", "catalogue")):
            answer = await self.api.put(path, json=json.loads(json.dumps(load(name), default=str)))
            assert answer.is_success, answer.text

        async def look() -> bool | None:
            for service in ("subscriptions", "notifier"):
                if not await self.rows(service, "SELECT 1 FROM seller_settings"):
                    return None
            return True

        await eventually(look, "the seller everywhere")

    async def invoice_of(self, request_id: str) -> dict[str, Any]:
        """Wait for the invoice that a request became."""

        async def look() -> dict[str, Any] | None:
            query = "SELECT id FROM invoices WHERE request_id = $1"
            rows = await self.rows("billing", query, request_id)
            return await self.get(f"/invoices/{rows[0]['id']}") if rows else None

        return await eventually(look, f"the invoice of request {request_id}")
