"""A broken event becomes a dead letter with its reason; its neighbours are handled."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from deploy.local.seed import load
from shared.clock import new_id
from shared.events import Event, Topic
from shared.events.billing import INVOICES, SETTINGS, SettingsChanged
from shared.events.customers import CUSTOMERS
from shared.events.subscriptions import INVOICE_REQUESTS
from shared.messaging.dead_letters import dead_letter_topic
from shared.messaging.topics import group_of
from tests.integration.steps import (
    Sent,
    attributes,
    customer_created,
    invoice_opened,
    invoice_requested,
    send_all,
    stored,
)
from tests.system import System, eventually


def settings_changed(_: UUID) -> SettingsChanged:
    return SettingsChanged(version=1, **load("seller"))


# What consumes each topic, and a sound event of it.
CONSUMED: dict[str, tuple[Topic, tuple[str, ...], Callable[[UUID], Event]]] = {
    "customers": (CUSTOMERS, ("subscriptions", "billing", "notifier"), customer_created),
    "settings": (SETTINGS, ("subscriptions", "notifier"), settings_changed),
    "invoice requests": (INVOICE_REQUESTS, ("billing",), invoice_requested),
    "invoices": (INVOICES, ("customers", "subscriptions", "notifier"), invoice_opened),
}


def broken(event: Event) -> dict[str, Sent]:
    """What is in the reason -> a record that is broken in that way."""
    value = event.model_dump_json().encode()
    fields = json.loads(value)
    missing = next(name for name in fields if name not in {"customer_id", "name"})
    lame = json.dumps({k: v for k, v in fields.items() if k != missing}).encode()
    wrong = json.dumps({**fields, missing: {"no": "thing"}}).encode()
    kind = event.TYPE

    def key() -> str:
        return str(uuid4())

    return {
        "Invalid JSON": Sent(key(), value[:-1], attributes(kind)),
        f"{missing}: Field required": Sent(key(), lame, attributes(kind)),
        f"{missing}: ": Sent(key(), wrong, attributes(kind)),
        "no UUID": Sent(key(), value, attributes(kind, ce_id="one")),
        "ce_id is missing": Sent(key(), value, attributes(kind, ce_id="")),
        "version '2.0'": Sent(key(), value, attributes(kind, ce_specversion="2.0")),
        "unknown event type 'thing.made'": Sent(key(), value, attributes("thing.made")),
        "unknown event type None": Sent(key(), value, attributes("")),
        "empty body": Sent(key(), None, attributes(kind)),
        "EOF": Sent(key(), b"", attributes(kind)),
        "invalid unicode": Sent(key(), b'{"\xff": 1}', attributes(kind)),
    }


async def _inbox(system: System, service: str, event_id: str) -> bool | None:
    query = "SELECT 1 FROM inbox WHERE event_id = $1"
    return True if await stored(system, service, query, event_id) else None


async def _reasons(system: System, service: str, topic: Topic, count: int) -> dict[str, str]:
    async def look() -> dict[str, str] | None:
        query = "SELECT key, reason FROM dead_letters WHERE topic = $1"
        rows = await stored(system, service, query, topic.name)
        return dict(rows) if len(rows) >= count else None

    return await eventually(look, f"{count} dead letters of {topic.name} in {service}")


@pytest.mark.parametrize("name", CONSUMED)
async def test_a_broken_event_is_buried_with_its_reason_and_its_neighbour_handled(
    system: System, name: str
) -> None:
    topic, services, make = CONSUMED[name]
    wanted = broken(make(new_id()))
    # Invoices and requests of a known customer: otherwise they would wait for it.
    customer = customer_created()
    await system.send(customer)
    await system.known(str(customer.customer_id))
    sound = Sent.of(make(customer.customer_id))
    first, *others = wanted.values()
    await send_all(system, topic, [first, *others[:5], sound, *others[5:]])

    for service in services:
        reasons = await _reasons(system, service, topic, len(wanted))
        for expected, record in wanted.items():
            assert expected in reasons[record.key]
        assert sound.key not in reasons

        async def handled(service: str = service) -> bool | None:
            return await _inbox(system, service, sound.headers["ce_id"])

        if name != "invoice requests":  # it waits for the seller's settings
            await eventually(handled, f"{service} to handle the sound neighbour")

        letters = dead_letter_topic(topic.name, group_of(service, topic))

        async def on_kafka(letters: str = letters) -> dict[str, dict[str, str]] | None:
            records = await system.read_topic(letters)
            found = {
                (record.key or b"").decode(): {k: v.decode() for k, v in record.headers}
                for record in records
            }
            return found if len(records) >= len(wanted) else None

        found = await eventually(on_kafka, f"the dead letters on {letters}")
        assert len(found) == len(wanted)
        for record in wanted.values():
            headers = found[record.key]
            assert headers["kontor_reason"] == reasons[record.key]
            assert headers["kontor_topic"] == topic.name
            assert int(headers["kontor_offset"]) >= 0
            assert headers.items() >= record.headers.items()


async def test_a_request_behind_a_broken_one_becomes_an_invoice(system: System) -> None:
    await system.seeded()
    customer = customer_created()
    await system.send(customer)
    await system.known(str(customer.customer_id))
    request = invoice_requested(customer.customer_id)
    lame = Sent(request.key, b"{", attributes(request.TYPE))
    await send_all(system, INVOICE_REQUESTS, [lame, Sent.of(request)])
    assert (await system.invoice_of(str(request.request_id)))["total"]["amount"] == "52.95"


async def test_an_event_whose_handling_fails_is_buried_alone(system: System) -> None:
    before, failing, after = (customer_created() for _ in range(3))
    # More than the column of the version holds: every attempt fails, no retry helps.
    failing = failing.model_copy(update={"version": 2**40})
    await send_all(system, CUSTOMERS, [Sent.of(e) for e in (before, failing, after)])
    await system.known(before.key)
    await system.known(after.key)
    for service in CONSUMED["customers"][1]:

        async def buried(service: str = service) -> str | None:
            query = "SELECT reason FROM dead_letters WHERE key = $1"
            rows = await stored(system, service, query, failing.key)
            return rows[0][0] if rows else None

        reason = await eventually(buried, f"the dead letter in {service}")
        assert "out of int32 range" in reason
        # The statement's values are personal data; the reason travels on Kafka and into logs.
        assert failing.email not in reason
        assert failing.contact_name not in reason
