"""Lists of invoices: orders, filters, pages, searches, and the file of all of them."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from services.billing.repository import lists
from services.billing.use_cases.openings import open_requested_invoices
from shared.clock import new_id
from shared.database import Database
from shared.money import Money
from tests.integration.steps import database_of, invoice_requested, new_customer, paid
from tests.system import System

# title, customer, price net, day; the total is 8.1 % more, rounded to 5 Rappen
INVOICES = {
    "hotel": ("Team", "hotel", "49.00", "2030-01-05"),
    "hotel later": ("Beratung im März", "hotel", "10.00", "2030-03-01"),
    "bakery": ("Team", "bakery", "5.00", "2030-02-01"),
    "part": ("=cmd|' /C calc'!A1", "bakery", "100.00", "2030-02-01"),
    "settled": ("Business", "lawyer", "149.00", "2030-02-02"),
    "gone": ("Starter", "lawyer", "19.00", "2031-02-03"),
}
CUSTOMERS = {
    "hotel": {"company_name": "Seehotel Zürich AG"},
    "bakery": {"company_name": "Bäckerei Näf"},
    "lawyer": {"company_name": "", "contact_name": "Ana Łukasiewicz"},
}
BY_DATE = ["hotel", "bakery", "part", "settled", "hotel later", "gone"]


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        yield database


@pytest.fixture(scope="module")
async def known(system: System, database: Database) -> dict[str, Any]:
    await system.seeded()
    customers = {
        name: UUID((await new_customer(system, **fields))["id"])
        for name, fields in CUSTOMERS.items()
    }
    made = {}
    for name in BY_DATE:
        title, customer, price, day = INVOICES[name]
        total = round(Decimal(price) * Decimal("1.081") * 20, 0) / 20
        request = invoice_requested(
            customers[customer],
            title=title,
            line={"unit_price": price},
            expected_total=Money.parse(f"{total:.2f}", "CHF"),
        )
        now = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)
        async with database.transaction() as tx:
            await open_requested_invoices(tx, [request], now=now, new_id=new_id)
        made[name] = await system.invoice_of(str(request.request_id))
    await paid(system, made["settled"])
    part = {"amount": {"amount": "1.00", "currency": "CHF"}}
    await system.post(f"/invoices/{made['part']['id']}/payments", part)
    await system.post(f"/invoices/{made['gone']['id']}/void", expect=200)
    # Somebody who has got very long to pay.
    extended = {"due_date": "2031-12-01"}
    await system.post(f"/invoices/{made['hotel']['id']}/due-date", extended, expect=200)
    return {name: await system.get(f"/invoices/{i['id']}") for name, i in made.items()}


async def names(system: System, known: dict[str, Any], **parameters: Any) -> list[str]:
    page = await system.get("/invoices", **{"from": "2030-01-01", "to": "2031-12-31", **parameters})
    by_id = {made["id"]: name for name, made in known.items()}
    return [by_id[item["id"]] for item in page["items"]]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("date", BY_DATE),
        ("-date", BY_DATE[::-1]),
        ("number", BY_DATE),
        ("-number", BY_DATE[::-1]),
        ("due", [*BY_DATE[1:], "hotel"]),
        ("amount", ["bakery", "hotel later", "gone", "hotel", "part", "settled"]),
        ("-amount", ["settled", "part", "hotel", "gone", "hotel later", "bakery"]),
        # By the shown name, whatever diacritics it has.
        ("customer", ["settled", "gone", "bakery", "part", "hotel", "hotel later"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 4, 50])
async def test_every_order_is_stable_over_pages(
    system: System, known: dict[str, Any], sort: str, order: list[str], limit: int
) -> None:
    by_id = {made["id"]: name for name, made in known.items()}
    seen: list[str] = []
    after = ""
    while True:
        page = await system.get("/invoices", sort=sort, limit=limit, after=after)
        seen += [by_id[item["id"]] for item in page["items"]]
        if (after := page["next"]) is None:
            break
    if sort == "customer":  # within a customer as they were made
        seen = [*sorted(seen[:2], key=BY_DATE.index), *seen[2:]]
    assert seen == order


@pytest.mark.parametrize("few", [0, 1, 500])
@pytest.mark.parametrize("sort", ["date", "number", "customer", "amount", "due"])
@pytest.mark.parametrize("way", ["", "-"])
@pytest.mark.parametrize(
    ("time", "those"),
    [
        ({"from": "2030-02-01"}, {"bakery", "part", "settled", "hotel later", "gone"}),
        ({"to": "2030-02-01"}, {"hotel", "bakery", "part"}),
        ({"from": "2030-01-05", "to": "2030-02-02"}, {"hotel", "bakery", "part", "settled"}),
        ({"from": "2040-01-01"}, set()),
    ],
)
async def test_a_time_is_listed_in_any_order(
    system: System,
    known: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    sort: str,
    way: str,
    time: dict[str, Any],
    those: set[str],
) -> None:
    """Those of the whole list, in its order, however many are taken for few."""
    monkeypatch.setattr(lists, "_FEW", few)
    everything = await names(system, known, sort=way + sort, **{"from": "2029-01-01"})
    seen: list[str] = []
    after = ""
    while after is not None:
        page = await system.get("/invoices", sort=way + sort, limit=2, after=after, **time)
        seen += [next(n for n, i in known.items() if i["id"] == x["id"]) for x in page["items"]]
        after = page["next"]
    assert seen == [name for name in everything if name in those]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": "open"}, ["hotel", "bakery", "part", "hotel later"]),
        ({"state": "partly_paid"}, ["part"]),
        ({"state": "paid"}, ["settled"]),
        ({"state": "void"}, ["gone"]),
        ({"state": "credited"}, []),
        ({"state": "draft"}, []),
        ({"state": "overdue"}, []),
        ({"currency": "CHF"}, BY_DATE),
        ({"currency": "EUR"}, []),
        ({"from": "2030-02-01", "to": "2030-02-02"}, ["bakery", "part", "settled"]),
        ({"to": "2030-02-01", "state": "open"}, ["hotel", "bakery", "part"]),
        ({"from": "2031-01-01"}, ["gone"]),
    ],
)
async def test_a_filter_leaves_what_fits(
    system: System, known: dict[str, Any], wanted: dict[str, str], found: list[str]
) -> None:
    assert await names(system, known, sort="date", **wanted) == found


async def test_one_is_overdue_from_the_day_after_its_due_date(
    system: System, known: dict[str, Any], database: Database
) -> None:
    customer = UUID((await new_customer(system, company_name="Säumig"))["id"])
    request = invoice_requested(customer)
    async with database.transaction() as tx:
        await open_requested_invoices(
            tx, [request], now=datetime(2025, 5, 1, 12, tzinfo=UTC), new_id=new_id
        )
    made = await system.invoice_of(str(request.request_id))
    for sort in ("date", "due", "customer", "-amount"):
        page = await system.get("/invoices", state="overdue", sort=sort)
        assert [item["id"] for item in page["items"]] == [made["id"]]
    await paid(system, made)
    assert (await system.get("/invoices", state="overdue"))["items"] == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("team", ["hotel", "bakery"]),
        ("maerz", ["hotel later"]),
        ("beratun", ["hotel later"]),
        ("seehotel", ["hotel", "hotel later"]),
        ("seehotl", ["hotel", "hotel later"]),
        ("näf bäckerei", ["bakery", "part"]),
        ("lukasiewicz", ["settled", "gone"]),
        ("nothing of it", []),
    ],
)
async def test_words_find_titles_and_customers(
    system: System, known: dict[str, Any], typed: str, found: list[str]
) -> None:
    assert await names(system, known, q=typed, sort="date") == found


async def test_a_search_can_be_narrowed_and_paged(system: System, known: dict[str, Any]) -> None:
    assert await names(system, known, q="lukasiewicz", state="void") == ["gone"]
    assert await names(system, known, q="team", to="2030-01-31") == ["hotel"]
    asked: dict[str, Any] = {"from": "2030-01-01", "sort": "date", "limit": 1}
    page = await system.get("/invoices", q="team", **asked)
    assert await names(system, known, q="team", sort="date", after=page["next"]) == ["bakery"]


async def test_a_number_is_found_whole_or_by_its_end(system: System, known: dict[str, Any]) -> None:
    number = known["gone"]["number"]
    end = number.rpartition("-")[2]
    for typed in (number, number.lower(), number.partition("-")[2]):
        assert await names(system, known, q=typed) == ["gone"]
    for typed in (end, end.lstrip("0")):
        assert "gone" in await names(system, known, q=typed)


async def test_who_is_restricted_sees_only_their_own(system: System, known: dict[str, Any]) -> None:
    own = known["bakery"]["customer_id"]
    client = await system.client(customer_ids=[UUID(own)])
    for parameters in ({}, {"q": "team"}, {"state": "open"}, {"customer_id": own}):
        page = (await client.get("/invoices", params=parameters)).json()
        assert {item["customer_id"] for item in page["items"]} == {own}
    other = known["hotel"]["customer_id"]
    page = (await client.get("/invoices", params={"customer_id": other})).json()
    assert page["items"] == []
    answer = await client.get("/invoices/export")
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert {row["customer_id"] for row in rows} == {own}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"sort": "colour"}, "sort"),
        ({"state": "lost"}, "state"),
        ({"currency": "chf"}, "currency"),
        ({"from": "yesterday"}, "from"),
        ({"q": "§"}, "q"),
        ({"after": "xyz"}, "after"),
        ({"limit": "1000"}, "limit"),
    ],
)
async def test_what_is_no_list_is_refused_with_its_field(
    system: System, known: dict[str, Any], parameters: dict[str, str], field: str
) -> None:
    answer = await system.api.get("/invoices", params=parameters)

    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


async def test_the_file_has_what_the_list_has_and_no_formula(
    system: System, known: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"from": "2030-01-01", "to": "2030-12-31", "sort": "date"}
    answer = await system.api.get("/invoices/export", params=asked)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(StringIO(answer.text)))
    listed = (await system.get("/invoices", **asked))["items"]
    assert [row["id"] for row in rows] == [item["id"] for item in listed]
    for row, item in zip(rows, listed, strict=True):
        for name in ("total", "paid", "rounding"):
            assert row[name] == item[name]["amount"]
        assert row["open"] == item["open_amount"]["amount"]
        parts = [Decimal(row[name]) for name in ("net", "vat", "rounding")]
        assert sum(parts) == Decimal(row["total"])
    assert [row["title"] for row in rows][2] == "'=cmd|' /C calc'!A1"


@pytest.mark.parametrize("parameters", [{"sort": "colour"}, {"q": "§"}])
async def test_a_file_of_no_list_is_refused_before_it_begins(
    system: System, parameters: dict[str, str]
) -> None:
    answer = await system.api.get("/invoices/export", params=parameters)

    assert answer.status_code == 422
