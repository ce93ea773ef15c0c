"""Dead letters and parked messages, looked at, replayed and discarded over the API."""

from typing import Any
from uuid import uuid4

import pytest

from shared.events.subscriptions import INVOICE_REQUESTS
from tests.builders import customer
from tests.system import System, eventually

_HEADERS = {"ce_specversion": "1.0", "ce_type": "invoice.requested"}


async def _dead(system: System, event_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        page = await system.get("/billing/failures")
        return next((item for item in page["items"] if item["event_id"] == event_id), None)

    return await eventually(look, "the dead letter")


async def test_a_dead_letter_can_be_read_replayed_and_dies_again_with_its_reason(
    system: System,
) -> None:
    event_id = str(uuid4())
    headers = {**_HEADERS, "ce_id": event_id}
    await system.send_raw(INVOICE_REQUESTS, str(uuid4()), b'{"not": "a request"}', headers)
    dead = await _dead(system, event_id)
    assert "request_id" in dead["reason"]
    detail = await system.get(f"/billing/failures/dead/{dead['id']}")
    assert detail["body"] == '{"not": "a request"}'
    assert detail["headers"]["ce_id"] == event_id

    chosen = {"kind": "dead", "ids": [dead["id"], 2**40]}
    dry = await system.post("/billing/failures/replay", {**chosen, "dry_run": True}, expect=200)
    assert dry == {"resolved": [dead["id"]], "passed_over": [2**40], "dry_run": True}
    assert (await _dead(system, event_id))["since"] == dead["since"]

    await system.post("/billing/failures/replay", chosen, expect=200)

    async def again() -> bool | None:
        found = await _dead(system, event_id)
        return True if found["since"] > dead["since"] else None

    await eventually(again, "the replayed message to die again")
    letters = await system.rows(
        "billing", "SELECT * FROM dead_letters WHERE event_id = $1", event_id
    )
    assert len(letters) == 1

    done = await system.post("/billing/failures/discard", chosen, expect=200)
    assert done["resolved"] == [dead["id"]]
    repeated = await system.post("/billing/failures/discard", chosen, expect=200)
    assert repeated["resolved"] == []
    page = await system.get("/billing/failures")
    assert event_id not in {item["event_id"] for item in page["items"]}


async def test_a_replayed_message_whose_cause_is_mended_has_one_effect(system: System) -> None:
    await system.seeded()
    made = await system.post("/customers", customer())
    await system.known(made["id"])
    request_id, event_id = str(uuid4()), str(uuid4())
    good = (
        f'{{"customer_id": "{made["id"]}", "request_id": "{request_id}", "reason": "booking",'
        '"title": "Setup", "currency": "CHF", "lines": [{"subscription_id": "'
        f'{uuid4()}", "title": "Setup", "unit_price": "100.00", "basis": "net",'
        '"vat_category": "standard", "cycle": "once"}],'
        '"expected_total": {"amount": "108.10", "currency": "CHF"}}'
    )
    headers = {**_HEADERS, "ce_id": event_id, "ce_specversion": "9.9"}
    await system.send_raw(INVOICE_REQUESTS, made["id"], good.encode(), headers)
    dead = await _dead(system, event_id)
    # The reader of version 9.9 is deployed: here, the header is what it can read.
    mended = (
        "UPDATE dead_letters SET headers = jsonb_set(headers, '{ce_specversion}', '\"1.0\"') "
        "WHERE id = $1"
    )
    await system.rows("billing", mended, dead["id"])
    for _ in range(3):
        chosen = {"kind": "dead", "ids": [dead["id"]]}
        await system.post("/billing/failures/replay", chosen, expect=200)
    invoice = await system.invoice_of(request_id)
    assert invoice["state"] == "open"
    await system.send_raw(
        INVOICE_REQUESTS, made["id"], good.encode(), {**headers, "ce_specversion": "1.0"}
    )
    marker = str(uuid4())
    await system.send_raw(INVOICE_REQUESTS, made["id"], b"{", {**_HEADERS, "ce_id": marker})
    await _dead(system, marker)  # so everything before it on this key is done
    invoices = await system.get("/invoices", customer_id=made["id"])
    assert len(invoices["items"]) == 1


@pytest.mark.parametrize("service", ["customers", "subscriptions", "billing", "notifier"])
async def test_every_service_answers_under_its_own_name(system: System, service: str) -> None:
    assert await system.get(f"/{service}/health") == {"status": "ok"}
    assert (await system.get(f"/{service}/failures", kind="parked"))["items"] is not None


async def test_a_consumer_that_cannot_be_is_refused_and_makes_no_error(system: System) -> None:
    refused = await system.get("/billing/failures", consumer="\0", expect=422)
    assert [error["field"] for error in refused["errors"]] == ["consumer"]


async def test_a_parked_message_can_be_discarded_and_stays_away(system: System) -> None:
    stranger, event_id = str(uuid4()), str(uuid4())
    body = (
        f'{{"customer_id": "{stranger}", "request_id": "{uuid4()}", "reason": "booking",'
        '"title": "x", "currency": "CHF", "lines": [],'
        '"expected_total": {"amount": "1.00", "currency": "CHF"}}'
    )
    headers = {**_HEADERS, "ce_id": event_id}
    await system.send_raw(INVOICE_REQUESTS, stranger, body.encode(), headers)

    async def parked() -> dict[str, Any] | None:
        page = await system.get("/billing/failures", kind="parked")
        return next((item for item in page["items"] if item["event_id"] == event_id), None)

    waiting = await eventually(parked, "the parked message")
    chosen = {"kind": "parked", "ids": [waiting["id"]]}
    await system.post("/billing/failures/replay", chosen, expect=200)
    done = await system.post("/billing/failures/discard", chosen, expect=200)
    assert done["resolved"] == [waiting["id"]]
    await system.send_raw(INVOICE_REQUESTS, stranger, body.encode(), headers)
    marker = str(uuid4())
    await system.send_raw(INVOICE_REQUESTS, stranger, b"{", {**_HEADERS, "ce_id": marker})
    await _dead(system, marker)
    assert await parked() is None
