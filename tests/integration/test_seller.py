"""The seller's settings: what invoices are numbered by, and what they look like."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from struct import pack
from typing import Any
from uuid import UUID
from zlib import compress, crc32

import pytest
from pypdf import PdfReader

from deploy.local.seed import load
from services.billing import repository
from services.billing.domain.numbering import Series
from services.billing.use_cases.openings import open_requested_invoices
from shared.clock import new_id
from shared.database import Database, RolledBack
from shared.events.billing import SETTINGS, SettingsChanged
from tests.integration.steps import database_of, day, invoice_requested, new_customer, stored
from tests.system import System, eventually

LOGO = "/settings/seller/logo"
PNG = {"content-type": "image/png"}


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        yield database


@pytest.fixture(autouse=True)
async def as_before(system: System) -> AsyncIterator[None]:
    yield
    answer = await system.api.put("/settings/seller", json=seller())
    assert answer.is_success, answer.text
    assert (await system.api.delete(LOGO)).is_success


def seller(**different: Any) -> Any:
    return {**json.loads(json.dumps(load("seller"), default=str)), **different}


async def save(system: System, expect: int = 200, **different: Any) -> Any:
    answer = await system.api.put("/settings/seller", json=seller(**different))
    assert answer.status_code == expect, answer.text
    return answer.json()


def png(width: int = 300, height: int = 80, *, rows: int | None = None) -> bytes:
    """A picture of one colour; with fewer `rows` than its height it is torn off."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", crc32(kind + body))

    pixels = (b"\x00" + b"\x10\x60\x50" * width) * (height if rows is None else rows)
    head = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


async def opened(
    system: System, database: Database, now: datetime, **different: Any
) -> dict[str, Any]:
    made = await new_customer(system, **different)
    request = invoice_requested(UUID(made["id"]))
    async with database.transaction() as tx:
        await open_requested_invoices(tx, [request], now=now, new_id=new_id)
    return await system.invoice_of(str(request.request_id))


# -- numbers ---------------------------------------------------------------------------------------


async def test_a_new_prefix_begins_at_its_start_and_later_years_at_one(
    system: System, database: Database
) -> None:
    await save(system, invoice_numbers={"prefix": "RE", "start": 118})
    times = [datetime(year, 6, 1, 12, tzinfo=UTC) for year in (2026, 2026, 2027)]

    numbers = [(await opened(system, database, now))["number"] for now in times]

    assert numbers == ["RE-2026-0118", "RE-2026-0119", "RE-2027-0001"]
    # Another start changes nothing of a series that has begun.
    await save(system, invoice_numbers={"prefix": "RE", "start": 900})
    assert (await opened(system, database, times[0]))["number"] == "RE-2026-0120"


async def test_a_series_without_years_counts_on(system: System, database: Database) -> None:
    await save(system, invoice_numbers={"prefix": "FA", "yearly": False, "start": 7})
    times = [datetime(year, 6, 1, 12, tzinfo=UTC) for year in (2026, 2027)]

    numbers = [(await opened(system, database, now))["number"] for now in times]

    assert numbers == ["FA-0007", "FA-0008"]


async def test_a_number_that_is_given_back_is_the_next_ones(database: Database) -> None:
    series = Series("XY", start=5)
    taken = []
    for keep in (False, True, True):
        async with database.transaction() as tx:
            taken.append((await repository.take_numbers(tx, series, day("2026-05-01"), 2))[0])
            if not keep:
                raise RolledBack
    assert taken == [5, 5, 7]


async def test_credit_notes_have_a_prefix_of_their_own(system: System, database: Database) -> None:
    await save(system, credit_note_numbers={"prefix": "GS", "yearly": False, "start": 40})
    invoice = await opened(system, database, datetime(2026, 6, 1, 12, tzinfo=UTC))

    result = await system.post(f"/invoices/{invoice['id']}/credit-notes", {})

    assert result["credit_note"]["number"] == "GS-0040"


# -- the settings ----------------------------------------------------------------------------------


async def test_what_is_saved_is_told_whole_to_everybody(system: System) -> None:
    saved = await save(system, brand_color="#2450d8", iban="CH93 0076 2011 6238 5295 7")
    assert saved["iban"] == "CH9300762011623852957"
    assert saved["invoice_numbers"] == {"prefix": "INV", "yearly": True, "start": 1}

    async def told() -> SettingsChanged | None:
        newest = (await system.events(SETTINGS))[-1]
        assert isinstance(newest, SettingsChanged)
        return newest if newest.version == saved["version"] else None

    newest = await eventually(told)
    assert (newest.brand_color, newest.iban) == ("#2450d8", "CH9300762011623852957")
    assert newest.invoice_numbers is not None
    assert newest.invoice_numbers.prefix == "INV"


async def test_who_was_slower_is_told_what_there_is_now(system: System) -> None:
    first = await system.api.get("/settings/seller")
    old = {"if-match": first.headers["etag"]}
    saved = await system.api.put("/settings/seller", json=seller(due_days=11), headers=old)
    assert saved.status_code == 200
    assert saved.headers["etag"] == f'"{saved.json()["version"]}"'

    refused = await system.api.put("/settings/seller", json=seller(due_days=12), headers=old)

    assert refused.status_code == 412
    assert refused.json()["current"]["due_days"] == 11
    assert refused.headers["etag"] == saved.headers["etag"]
    assert (await system.get("/settings/seller"))["due_days"] == 11


# -- the logo --------------------------------------------------------------------------------------


async def test_a_logo_is_on_documents_from_then_on(system: System, database: Database) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    before = await opened(system, database, now)
    answer = await system.api.put(LOGO, content=png(), headers=PNG)
    assert answer.status_code == 200, answer.text
    digest = answer.json()["logo_sha256"]
    assert digest
    kept = await save(system, due_days=12)
    assert kept["logo_sha256"] == digest, "saving the other settings keeps it"
    shown = await system.api.get(LOGO)
    assert (shown.content, shown.headers["content-type"]) == (png(), "image/png")
    after = await opened(system, database, now)

    async def pictures(invoice: Any) -> int | None:
        answer = await system.api.get(f"/invoices/{invoice['id']}/pdf")
        if answer.status_code == 409:
            return None
        return len(PdfReader(BytesIO(answer.content)).pages[0].images)

    assert await eventually(lambda: pictures(after)) == 1
    assert await eventually(lambda: pictures(before)) == 0
    assert (await system.api.delete(LOGO)).json()["logo_sha256"] is None
    assert (await system.api.get(LOGO)).status_code == 404
    # What was opened with it keeps it.
    assert await pictures(after) == 1
    await system.post(f"/invoices/{after['id']}/payments", {"amount": after["open_amount"]})
    assert await pictures(after) == 1


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "PNG"),
        (b"GIF89a" + bytes(100), "PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>" + bytes(40), "PNG"),
        (png()[:20], "PNG"),
        (png(rows=3)[:60], "PNG that can be read"),
        (png(0, 0), "pixels"),
        (png(3001, 1, rows=0), "pixels"),
        (png(60_000, 60_000, rows=0), "pixels"),
        (png(2000, 2000, rows=0), "pixels"),
        (png() + bytes(256 * 1024), "256 KB"),
    ],
    ids=["nothing", "gif", "svg", "head", "torn", "empty", "wide", "bomb", "large", "heavy"],
)
async def test_what_is_no_logo_is_refused_and_changes_nothing(
    system: System, content: bytes, rule: str
) -> None:
    before = await system.get("/settings/seller")

    answer = await system.api.put(LOGO, content=content, headers=PNG)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body"
    assert rule in answer.json()["errors"][0]["rule"]
    assert await system.get("/settings/seller") == before


async def test_another_type_is_refused(system: System) -> None:
    answer = await system.api.put(LOGO, content=png(), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Content-Type"


async def test_settings_of_before_are_read_with_what_was_usual(system: System) -> None:
    kept = await stored(system, "billing", "SELECT data FROM seller_settings")
    old = {
        name: value
        for name, value in json.loads(kept[0][0]).items()
        if name not in {"brand_color", "logo_key", "invoice_numbers", "credit_note_numbers"}
    }
    update = "UPDATE seller_settings SET data = $1"
    await stored(system, "billing", update, json.dumps({**old, "iban": "not checked then"}))
    try:
        found = await system.get("/settings/seller")
        assert found["invoice_numbers"]["prefix"] == "INV"
        assert found["credit_note_numbers"]["prefix"] == "CN"
        assert (found["brand_color"], found["logo_sha256"]) == ("", None)
    finally:
        await stored(system, "billing", update, kept[0][0])
