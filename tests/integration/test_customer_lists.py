"""Lists of customers: orders, filters, pages, and searches with what people really type."""

from typing import Any

import pytest

from tests.builders import customer
from tests.system import System

CUSTOMERS = {
    "hotel": {
        "company_name": "Seehotel Zürich AG",
        "contact_name": "Jörg Müller",
        "city": "Zürich",
    },
    "bakery": {"company_name": "Bäckerei Näf", "contact_name": "Zoë Sørensen", "city": "Genève"},
    "lawyer": {"company_name": "", "contact_name": "Ana Łukasiewicz", "city": "Bern"},
    "garage": {"company_name": "Garage Central", "contact_name": "Ugo Foscolo", "city": "Lugano"},
    "abroad": {"company_name": "Anders GmbH", "contact_name": "Uwe Anders", "city": "Köln"},
}


@pytest.fixture(scope="module")
async def known(system: System) -> dict[str, Any]:
    made = {}
    for name, fields in CUSTOMERS.items():
        different = {**fields, "email": f"office@{name}.example"}
        if name == "abroad":
            different["country"] = "DE"
        made[name] = await system.post("/customers", customer(**different))
    await system.post(f"/customers/{made['garage']['id']}/deactivate", expect=200)
    return made


async def names(system: System, known: dict[str, Any], **parameters: Any) -> list[str]:
    page = await system.get("/customers", **parameters)
    by_id = {made["id"]: name for name, made in known.items()}
    return [by_id[item["id"]] for item in page["items"]]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("created", ["hotel", "bakery", "lawyer", "garage", "abroad"]),
        ("-created", ["abroad", "garage", "lawyer", "bakery", "hotel"]),
        ("number", ["hotel", "bakery", "lawyer", "garage", "abroad"]),
        # By the shown name, whatever diacritics it has.
        ("name", ["lawyer", "abroad", "bakery", "garage", "hotel"]),
        ("-name", ["hotel", "garage", "bakery", "abroad", "lawyer"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_every_order_is_stable_over_pages(
    system: System, known: dict[str, Any], sort: str, order: list[str], limit: int
) -> None:
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = await system.get("/customers", sort=sort, limit=limit, after=after)
        assert page["total_estimate"] == 5
        by_id = {made["id"]: name for name, made in known.items()}
        seen += [by_id[item["id"]] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == order


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"status": "deactivated"}, ["garage"]),
        ({"country": "DE"}, ["abroad"]),
        ({"country": "DE", "status": "deactivated"}, []),
        ({"country": "CH", "status": "active"}, ["lawyer", "bakery", "hotel"]),
    ],
)
async def test_filters_and_their_counts(
    system: System, known: dict[str, Any], filters: dict[str, Any], found: list[str]
) -> None:
    assert await names(system, known, sort="name", **filters) == found
    assert (await system.get("/customers", **filters))["total_estimate"] == len(found)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("Seehotel Zürich AG", ["hotel"]),
        ("seeh", ["hotel"]),
        ("zuerich", ["hotel"]),
        ("ZURICH mueller", ["hotel"]),
        ("seehotle", ["hotel"]),
        ("sehotel muler", ["hotel"]),
        ("naef", ["bakery"]),
        ("baekerei", ["bakery"]),
        ("sorensen geneve", ["bakery"]),
        ("lukasiewicz", ["lawyer"]),
        ("ana lukasievicz", ["lawyer"]),
        ("foscol lugan", ["garage"]),
        ("office@hotel.example", ["hotel"]),
        ("ofice bakery", ["bakery"]),
        ("koeln", ["abroad"]),
        ("mustermann", []),
        ("hotel bern", []),
        ("%_*()&|!:'\"\\ zz", []),
    ],
)
async def test_a_search_finds(
    system: System, known: dict[str, Any], search: str, found: list[str]
) -> None:
    assert await names(system, known, search=search) == found


async def test_a_number_finds_its_customer_first(system: System, known: dict[str, Any]) -> None:
    for name, made in known.items():
        assert (await names(system, known, search=made["number"]))[0] == name


async def test_a_search_can_be_filtered_sorted_and_paged(
    system: System, known: dict[str, Any]
) -> None:
    everybody = ["lawyer", "abroad", "bakery", "garage", "hotel"]
    assert await names(system, known, search="example office", sort="name") == everybody
    seen: list[str] = []
    after = ""
    for _ in range(6):
        page = await system.get("/customers", search="office", sort="name", limit=2, after=after)
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == [known[name]["id"] for name in everybody]
    abroad = {"search": "office", "country": "DE"}
    assert await names(system, known, **abroad) == ["abroad"]
    assert await names(system, known, search="office", status="deactivated") == ["garage"]


async def test_without_an_order_the_best_come_first_on_every_page(
    system: System, known: dict[str, Any]
) -> None:
    search = "an"  # a beginning of two names, of equal rank: the newest first
    assert await names(system, known, search=search) == ["abroad", "lawyer"]
    first = await system.get("/customers", search=search, limit=1)
    second = await system.get("/customers", search=search, limit=1, after=first["next"])
    assert [second["items"][0]["id"], second["next"]] == [known["lawyer"]["id"], None]


async def test_the_search_follows_an_edit(system: System, known: dict[str, Any]) -> None:
    path = f"/customers/{known['lawyer']['id']}"
    await system.api.patch(path, json={"city": "Chur"})
    assert await names(system, known, search="bern") == []
    assert await names(system, known, search="chur") == ["lawyer"]
    await system.api.patch(path, json={"city": "Bern"})
    assert await names(system, known, search="bern") == ["lawyer"]


async def test_above_a_thousand_the_count_is_an_estimate(
    system: System, known: dict[str, Any]
) -> None:
    """Last in this module: it fills the table."""
    await system.rows(
        "customers",
        "INSERT INTO customers SELECT (jsonb_populate_record(c, jsonb_build_object("
        "'id', gen_random_uuid(), 'number', 'K-' || n, 'number_value', n, 'country', 'FR'))).* "
        "FROM customers c, generate_series(1000001, 1003000) n WHERE c.id = $1",
        known["hotel"]["id"],
    )
    await system.rows("customers", "ANALYZE customers")
    assert (await system.get("/customers", country="DE"))["total_estimate"] == 1
    estimate = (await system.get("/customers", country="FR", status="active"))["total_estimate"]
    assert 2_000 < estimate < 4_500
