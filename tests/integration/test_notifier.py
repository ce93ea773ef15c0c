"""The notifier: one mail per invoice, whatever the mail server does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.mailbox import Behaviour, Mail, MailboxServer, read_mailbox, set_behaviour
from deploy.services import SERVICES
from services.notifier.settings import NotifierSettings
from services.notifier.use_cases.sending import send_due_mails
from shared.clock import new_id
from shared.database import Database
from shared.events.billing import INVOICES, InvoiceDocumentStored
from shared.events.notifier import DELIVERIES, EmailFailed, EmailSent
from shared.retries import SendFailure
from shared.running import run_worker
from shared.smtp import Mailer
from shared.storage import DocumentStore
from tests.integration.steps import (
    Sent,
    book_plan,
    database_of,
    invoice_opened,
    new_customer,
    send_all,
    stored,
)
from tests.servers import TestServers
from tests.system import System, eventually


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxServer]:
    """A mail server of this module's own: it misbehaves."""
    with MailboxServer(tmp_path_factory.mktemp("mail")) as running:
        yield running


@pytest.fixture(scope="module")
async def system(
    servers: TestServers,
    databases: dict[str, str],
    mailbox: MailboxServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """Everything runs but the sender: the tests send, at times of their own."""
    own = replace(servers, smtp_port=mailbox.port, mailbox_dir=str(mailbox.folder))
    folder = tmp_path_factory.mktemp("documents")
    others = [name for name in SERVICES if name != "notifier"]
    built = System(own, databases, folder, run_workers=others)
    built.environment["KONTOR_NOTIFIER_SMTP_TIMEOUT_S"] = "0.5"
    async with built as running:
        stop = asyncio.Event()
        worker = SERVICES["notifier"].build_worker(running.settings("notifier"))
        working = asyncio.create_task(run_worker(worker, ["worker", "relay"], stop))
        await running.seeded()
        yield running
        stop.set()
        await working


class Post:
    """The sender with a clock that is moved by hand."""

    def __init__(self, system: System, database: Database) -> None:
        settings = system.settings("notifier")
        assert isinstance(settings, NotifierSettings)
        self.system = system
        self.settings = settings
        self.database = database
        self.folder = Path(system.servers.mailbox_dir)
        self.mailer = Mailer(settings)
        self.now = datetime.now(UTC) + timedelta(minutes=1)

    async def send(self, *, after_s: float = 0) -> bool:
        self.now += timedelta(seconds=after_s)
        return await send_due_mails(
            self.database,
            DocumentStore(self.settings.storage_url),
            self.mailer,
            self.settings,
            clock=lambda: self.now,
            new_id=new_id,
        )

    def behave(self, behaviour: Behaviour) -> None:
        set_behaviour(self.folder, behaviour)

    def mails(self, number: str) -> list[Mail]:
        found = read_mailbox(self.folder)
        return [mail for mail in found if number in str(mail.message["Subject"])]

    async def planned(self, **different: Any) -> tuple[Any, Any]:
        """An invoice whose mail is due, and its delivery."""
        made = await new_customer(self.system, **different)
        booked = await book_plan(self.system, made["id"], "Team")
        invoice = await self.system.invoice_of(booked["request_id"])

        async def look() -> Any:
            found = await self.system.get("/deliveries", customer_id=made["id"])
            return found["items"][0] if found["items"] else None

        return invoice, await eventually(look, "the delivery to be planned")

    async def delivery(self, invoice: Any) -> Any:
        found = await self.system.get("/deliveries", customer_id=invoice["customer_id"])
        (delivery,) = found["items"]
        return delivery

    async def outcome(self, invoice: Any) -> EmailSent | EmailFailed:
        async def look() -> EmailSent | EmailFailed | None:
            found = [
                event
                for event in await self.system.events(DELIVERIES)
                if event.key == invoice["customer_id"]
            ]
            assert len(found) <= 1
            assert all(isinstance(event, EmailSent | EmailFailed) for event in found)
            return found[0] if found else None  # type: ignore[return-value]

        return await eventually(look, "the outcome on the topic")

    async def nothing_told(self, invoice: Any) -> None:
        query = "SELECT 1 FROM outbox WHERE aggregateid = $1"
        assert await self.system.rows("notifier", query, invoice["customer_id"]) == []
        keys = [event.key for event in await self.system.events(DELIVERIES)]
        assert invoice["customer_id"] not in keys


@pytest.fixture
async def post(system: System) -> AsyncIterator[Post]:
    async with database_of(system, "notifier") as database:
        made = Post(system, database)
        made.behave(Behaviour.OK)
        while await made.send(after_s=7200):  # what an earlier test left
            pass
        yield made


async def document(system: System, invoice: Any) -> bytes:
    answer = await system.api.get(f"/invoices/{invoice['id']}/pdf")
    assert answer.status_code == 200
    return answer.content


async def test_an_invoice_is_mailed_once_with_the_stored_document(
    system: System, post: Post
) -> None:
    invoice, delivery = await post.planned()
    assert (delivery["state"], delivery["attempts"]) == ("due", 0)
    assert await post.send()
    (mail,) = post.mails(invoice["number"])
    assert mail.message["Message-ID"] == delivery["message_id"]
    assert delivery["message_id"] == f"<{delivery['id']}@{post.settings.message_id_domain}>"
    assert "vera@musterhotel.example" in str(mail.message["To"])
    assert "rechnung@musterfirma.example" in str(mail.message["From"])
    (attached,) = mail.message.iter_attachments()
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_filename() == f"{invoice['number']}.pdf"
    assert attached.get_payload(decode=True) == await document(system, invoice)
    assert mail.message.get_body(("plain",)) is not None
    assert mail.message.get_body(("html",)) is not None

    sent = await post.delivery(invoice)
    assert (
        sent.items()
        >= {
            "state": "sent",
            "attempts": 1,
            "recipient": "vera@musterhotel.example",
            "subject": str(mail.message["Subject"]),
            "last_error": None,
            "invoice_id": invoice["id"],
        }.items()
    )
    event = await post.outcome(invoice)
    assert isinstance(event, EmailSent)
    assert (event.message_id, event.attempts) == (delivery["message_id"], 1)
    assert "vera" not in event.model_dump_json()
    assert not await post.send(after_s=7200)


async def test_a_document_told_of_again_is_not_mailed_again(system: System, post: Post) -> None:
    invoice, _ = await post.planned()
    drawn = next(
        event
        for event in await system.events(INVOICES)
        if isinstance(event, InvoiceDocumentStored) and str(event.invoice_id) == invoice["id"]
    )
    again = Sent.of(drawn)
    await send_all(system, INVOICES, [again])

    async def handled() -> bool | None:
        query = "SELECT 1 FROM inbox WHERE event_id = $1"
        return True if await stored(system, "notifier", query, again.headers["ce_id"]) else None

    await eventually(handled)
    assert await post.send()
    assert not await post.send(after_s=7200)
    assert len(post.mails(invoice["number"])) == 1
    await post.delivery(invoice)


async def test_an_invoice_nobody_booked_is_not_mailed_by_itself(system: System) -> None:
    made = await new_customer(system)
    opened = invoice_opened(UUID(made["id"]))
    drawn = InvoiceDocumentStored(
        customer_id=opened.customer_id,
        invoice_id=opened.invoice_id,
        version=1,
        number=opened.number,
        storage_key="documents/none.pdf",
        sha256="0",
        filename="none.pdf",
        size_bytes=1,
    )
    record = Sent.of(drawn)
    await send_all(system, INVOICES, [Sent.of(opened), record])

    async def handled() -> bool | None:
        query = "SELECT 1 FROM inbox WHERE event_id = $1"
        return True if await stored(system, "notifier", query, record.headers["ce_id"]) else None

    await eventually(handled)
    assert (await system.get("/deliveries", customer_id=made["id"]))["items"] == []


async def test_the_billing_email_wins_as_it_is_known_when_sending(
    system: System, post: Post
) -> None:
    invoice, _ = await post.planned(email="old@musterhotel.example")
    edit = {"email": "new@musterhotel.example", "billing_email": "bills@musterhotel.example"}
    answer = await system.api.patch(f"/customers/{invoice['customer_id']}", json=edit)
    assert answer.is_success

    async def copied() -> bool | None:
        query = "SELECT 1 FROM customers WHERE id = $1 AND version = 2"
        return True if await stored(system, "notifier", query, invoice["customer_id"]) else None

    await eventually(copied)
    assert await post.send()
    (mail,) = post.mails(invoice["number"])
    assert "bills@musterhotel.example" in str(mail.message["To"])
    assert "old@" not in mail.message.as_string()
    assert (await post.delivery(invoice))["recipient"] == "bills@musterhotel.example"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(Behaviour.REJECT_4XX, "451 4.3.0 Try again later"), (Behaviour.STALL, "imed")],
)
async def test_a_mail_that_is_not_taken_now_is_tried_again_with_growing_pauses(
    post: Post, behaviour: Behaviour, words: str
) -> None:
    invoice, planned = await post.planned()
    post.behave(behaviour)
    for attempts, pause_s in ((1, 2), (2, 4), (3, 8)):
        assert await post.send()
        delivery = await post.delivery(invoice)
        assert (delivery["state"], delivery["attempts"]) == ("due", attempts)
        assert words in delivery["last_error"]
        pause = datetime.fromisoformat(delivery["next_at"]) - post.now
        assert pause == timedelta(seconds=pause_s)
        assert not await post.send(after_s=pause_s - 0.01)
        post.now += timedelta(seconds=0.01)
    await post.nothing_told(invoice)
    assert post.mails(invoice["number"]) == []

    post.behave(Behaviour.OK)
    assert await post.send()
    (mail,) = post.mails(invoice["number"])
    assert mail.message["Message-ID"] == planned["message_id"]
    event = await post.outcome(invoice)
    assert (event.TYPE, event.attempts) == ("email.sent", 4)


async def test_an_unreachable_mail_server_is_tried_again(post: Post) -> None:
    invoice, _ = await post.planned()
    nowhere = post.settings.model_copy(update={"smtp_port": 1})
    mailer, post.mailer = post.mailer, Mailer(nowhere)
    assert await post.send()
    assert (await post.delivery(invoice))["state"] == "due"
    post.mailer = mailer
    assert await post.send(after_s=2)
    assert len(post.mails(invoice["number"])) == 1


async def test_a_refused_mail_is_parked_with_the_servers_words(post: Post) -> None:
    invoice, _ = await post.planned()
    post.behave(Behaviour.REJECT_5XX)
    assert await post.send()
    parked = await post.delivery(invoice)
    assert (parked["state"], parked["last_error"]) == ("parked", "550 5.7.1 Refused")
    assert parked["recipient"] == "vera@musterhotel.example"
    event = await post.outcome(invoice)
    assert isinstance(event, EmailFailed)
    assert (event.reason, event.attempts) == ("550 5.7.1 Refused", 1)
    post.behave(Behaviour.OK)
    assert not await post.send(after_s=86_400)
    assert post.mails(invoice["number"]) == []


class Quoting(Mailer):
    """A server that refuses and quotes the address as it likes."""

    def __init__(self, settings: NotifierSettings, quoted: str) -> None:
        super().__init__(settings)
        self._quoted = quoted

    async def send(self, message: EmailMessage) -> SendFailure | None:  # noqa: ARG002
        return SendFailure(550, f"5.1.1 <{self._quoted}>: no such user")


@pytest.mark.parametrize(
    "quoted",
    [
        "Vera.Beispiel@Musterhotel.example",
        # Servers write domains, often whole addresses, in lower case.
        "vera.beispiel@musterhotel.example",
    ],
)
async def test_a_failure_is_told_without_the_address(post: Post, quoted: str) -> None:
    invoice, _ = await post.planned(email="Vera.Beispiel@Musterhotel.example")
    post.mailer = Quoting(post.settings, quoted)
    assert await post.send()
    assert quoted in (await post.delivery(invoice))["last_error"]
    event = await post.outcome(invoice)
    assert isinstance(event, EmailFailed)
    assert "no such user" in event.reason
    assert "musterhotel" not in event.model_dump_json().lower()


async def test_a_copy_after_a_lost_answer_carries_the_same_message_id(post: Post) -> None:
    invoice, delivery = await post.planned()
    post.behave(Behaviour.DROP_AFTER_DATA)
    assert await post.send()
    assert (await post.delivery(invoice))["state"] == "due"
    assert len(post.mails(invoice["number"])) == 1
    post.behave(Behaviour.OK)
    assert await post.send(after_s=2)
    first, second = post.mails(invoice["number"])
    assert first.message["Message-ID"] == second.message["Message-ID"] == delivery["message_id"]
    # The same mail to the last byte, so that every mailbox can tell.
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (await post.outcome(invoice)).TYPE == "email.sent"


async def test_one_refused_address_does_not_keep_others_from_their_mail(post: Post) -> None:
    bad, _ = await post.planned(email="bad@musterhotel.example")
    good, _ = await post.planned(email="good@musterhotel.example")
    mailer = post.mailer

    class Choosy(Mailer):
        async def send(self, message: EmailMessage) -> SendFailure | None:
            if "bad@" in str(message["To"]):
                return SendFailure(550, "no such user")
            return await mailer.send(message)

    post.mailer = Choosy(post.settings)
    assert await post.send()
    assert (await post.delivery(bad))["state"] == "parked"
    assert (await post.delivery(good))["state"] == "sent"
    assert len(post.mails(good["number"])) == 1


async def test_names_with_line_ends_add_no_header(post: Post) -> None:
    evil = "Evil\r\nBcc: victim@other.example\r\n\r\n<script>"
    invoice, _ = await post.planned(company_name=evil, billing_name=evil)
    assert await post.send()
    assert (await post.delivery(invoice))["state"] == "sent"
    (mail,) = post.mails(invoice["number"])
    assert mail.message["Bcc"] is None
    assert [a.addr_spec for a in mail.message["To"].addresses] == ["vera@musterhotel.example"]
    html = mail.message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


async def test_a_mail_waits_for_the_sellers_settings(system: System, post: Post) -> None:
    invoice, _ = await post.planned()
    kept = await stored(system, "notifier", "SELECT name, version, data FROM seller_settings")
    await stored(system, "notifier", "DELETE FROM seller_settings")
    try:
        assert await post.send()
    finally:
        insert = "INSERT INTO seller_settings VALUES ($1, $2, $3)"
        await stored(system, "notifier", insert, *kept[0])
    # They travel on a topic of their own and arrive a moment later.
    assert (await post.delivery(invoice))["state"] == "due"
    assert await post.send(after_s=2)
    assert len(post.mails(invoice["number"])) == 1


async def test_two_senders_at_once_send_each_mail_once(post: Post) -> None:
    invoices = [(await post.planned())[0] for _ in range(3)]
    await asyncio.gather(*(post.send() for _ in range(4)))
    assert [len(post.mails(invoice["number"])) for invoice in invoices] == [1, 1, 1]


# -- held back, and sent by hand -------------------------------------------------------------------


async def voided(system: System, invoice: Any) -> None:
    """Void an invoice and wait until the notifier knows."""
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)

    async def known() -> bool | None:
        query = "SELECT 1 FROM invoices WHERE id = $1 AND voided_at IS NOT NULL"
        return True if await stored(system, "notifier", query, invoice["id"]) else None

    await eventually(known, "the notifier to know")


async def test_a_mail_of_a_void_invoice_is_held_back(system: System, post: Post) -> None:
    invoice, _ = await post.planned()
    await voided(system, invoice)
    assert await post.send()
    held = await post.delivery(invoice)
    assert (held["state"], held["sent_at"], held["recipient"]) == ("withdrawn", None, None)
    assert not await post.send(after_s=7200)
    assert post.mails(invoice["number"]) == []
    await post.nothing_told(invoice)


async def test_a_mail_that_is_on_its_way_when_its_invoice_is_voided_is_told_of(
    system: System, post: Post
) -> None:
    invoice, _ = await post.planned()
    mailer = post.mailer

    class Slow(Mailer):
        async def send(self, message: EmailMessage) -> SendFailure | None:
            await voided(system, invoice)
            return await mailer.send(message)

    post.mailer = Slow(post.settings)
    assert await post.send()
    event = await post.outcome(invoice)
    assert isinstance(event, EmailSent)
    post.mailer = mailer

    async def issued() -> bool | None:
        found = await system.get("/deliveries", customer_id=invoice["customer_id"])
        return len(found["items"]) == 2 or None

    await eventually(issued, "the cancellation note to be planned")
    assert await post.send(after_s=1)
    _, note = post.mails(invoice["number"])
    assert "storniert" in str(note.message["Subject"])


async def test_an_address_that_was_corrected_makes_no_resend(system: System, post: Post) -> None:
    invoice, _ = await post.planned()
    post.behave(Behaviour.REJECT_5XX)
    assert await post.send()
    post.behave(Behaviour.OK)
    await system.post(f"/invoices/{invoice['id']}/send", expect=202)

    async def planned() -> Any:
        found = await system.get("/deliveries", customer_id=invoice["customer_id"])
        return found["items"][0] if len(found["items"]) == 2 else None

    assert (await eventually(planned))["resend"] is False
    assert await post.send(after_s=1)
    (mail,) = post.mails(invoice["number"])
    assert not str(mail.message["Subject"]).startswith("Erneut")


async def test_the_brand_colour_is_the_sellers(system: System, post: Post) -> None:
    seller = await system.get("/settings/seller")
    body = {k: v for k, v in seller.items() if k not in {"version", "logo_sha256"}}
    saved = await system.api.put("/settings/seller", json={**body, "brand_color": "#8a1f6a"})
    version = saved.json()["version"]

    async def known() -> bool | None:
        query = "SELECT 1 FROM seller_settings WHERE version >= $1"
        return True if await stored(system, "notifier", query, version) else None

    await eventually(known)
    invoice, _ = await post.planned()
    assert await post.send()
    (mail,) = post.mails(invoice["number"])
    html = mail.message.get_body(("html",))
    assert html is not None
    assert "#8a1f6a" in html.get_content()
    assert (await system.api.put("/settings/seller", json=body)).is_success
