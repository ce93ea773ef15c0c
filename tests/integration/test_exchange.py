"""Customers and users as files: dry runs, all or nothing, out and in again; all data of one."""

import csv
from io import StringIO
from typing import Any

import pytest

from shared.events.customers import CUSTOMERS, USERS
from tests.builders import customer
from tests.integration.steps import Watch, stored
from tests.integration.test_users import entitle, user
from tests.system import System, eventually

CSV = {"content-type": "text/csv"}


async def upload(system: System, path: str, text: str, *, dry_run: bool | None = None) -> Any:
    parameters = {} if dry_run is None else {"dry_run": str(dry_run).lower()}
    answer = await system.api.post(
        f"{path}/import", content=text.encode(), headers=CSV, params=parameters
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rows(system: System, path: str) -> list[dict[str, str]]:
    answer = await system.api.get(f"{path}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    return list(csv.DictReader(StringIO(answer.text, newline="")))


def table(found: list[dict[str, str]]) -> str:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, list(found[0]))
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def told(created: int = 0, updated: int = 0, unchanged: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "dry_run": False, "created": created, "updated": updated, "unchanged": unchanged,
        "errors": [], **more,
    }  # fmt: skip


async def test_a_file_is_tried_first_and_imports_only_when_asked(system: System) -> None:
    text = "company_name,country,email\nErste AG,CH,a@b.example\nZweite AG,DE,c@d.example\n"
    async with Watch(system) as watch:
        async with watch.nothing_changes():
            assert await upload(system, "/customers", text) == told(2, dry_run=True)
        assert await upload(system, "/customers", text, dry_run=False) == told(2)
    found = (await system.get("/customers", limit=2))["items"]
    assert [c["company_name"] for c in found] == ["Zweite AG", "Erste AG"]
    assert [c["currency"] for c in found] == ["EUR", "CHF"]
    found_again = await system.get("/customers", search="zweite")
    assert [c["id"] for c in found_again["items"]] == [found[0]["id"]]
    await system.known(found[0]["id"])


async def test_a_dry_run_lists_every_bad_row_with_its_reason(system: System) -> None:
    text = (
        "company_name,country,email,phone,vat_id\n"
        "Gut AG,CH,a@b.example,,\n"
        "Schlecht AG,XX,nobody,,\n"
        "Kurz AG,CH\n"
        "Falsch AG,DE,a@b.example,12,\n"
        "Ziffer AG,DE,a@b.example,,DE123456789\n"
    )
    answer = await upload(system, "/customers", text)
    assert [(e["line"], e["field"]) for e in answer["errors"]] == [
        (3, "country"), (3, "email"), (4, ""), (5, "phone"), (6, "vat_id"),
    ]  # fmt: skip
    assert all(e["rule"] for e in answer["errors"])
    refused = await system.api.post(
        "/customers/import", content=text.encode(), headers=CSV, params={"dry_run": "false"}
    )
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:kontor:problem:import_refused"
    assert refused.json()["errors"] == answer["errors"]
    assert (await system.get("/customers", search="gut"))["items"] == []


async def test_customers_come_back_as_they_went_out(system: System) -> None:
    strange = {
        "company_name": "=HYPERLINK(1)",
        "contact_name": "'=1+1",
        "address_lines": ["+1", "", 'a "b", c;\nd'],
        "phone": "033 555 01 23",
        "billing_address": ["@x", "-y"],
        "billing_note": " \ta\r\nb ",
        "website": "https://musterhotel.example",
        "vat_id": "CHE-116.281.710 MWST",
    }
    made = await system.post("/customers", customer(**strange))
    await system.post(f"/customers/{made['id']}/freeze", expect=200)
    out = await rows(system, "/customers")
    mine = next(row for row in out if row["number"] == made["number"])
    assert mine["company_name"] == "'=HYPERLINK(1)"
    assert mine["phone"] == "'+41335550123"
    assert mine["frozen"] == "true"
    answer = await upload(system, "/customers", table(out), dry_run=False)
    assert answer == told(unchanged=len(out))
    mine["city"] = "Bern"
    answer = await upload(system, "/customers", table(out), dry_run=False)
    assert answer == told(updated=1, unchanged=len(out) - 1)
    found = await system.get(f"/customers/{made['id']}")
    assert found == {
        **made, "city": "Bern", "frozen": True, "version": 3, "phone": "+41335550123",
    }  # fmt: skip

    async def published() -> bool | None:
        events = [e for e in await system.events(CUSTOMERS) if e.key == made["id"]]
        return [e.TYPE for e in events][2:] == ["customer.updated"] or None

    await eventually(published, "the edit on the topic")


async def test_the_same_rows_without_numbers_are_new_customers(system: System) -> None:
    made = await system.post("/customers", customer(company_name="Doppelt AG"))
    out = [r for r in await rows(system, "/customers") if r["number"] == made["number"]]
    out[0] |= {"number": "", "time_zone": "", "language": "", "currency": ""}
    assert await upload(system, "/customers", table(out), dry_run=False) == told(1)
    twin = (await system.get("/customers", limit=1))["items"][0]
    assert twin == {**made, "id": twin["id"], "number": twin["number"]}


async def test_a_file_with_some_columns_changes_only_those(system: System) -> None:
    made = await system.post("/customers", customer())
    text = f"number;city;billing_note\n{made['number']};Chur;\n"
    assert await upload(system, "/customers", text, dry_run=False) == told(updated=1)
    assert await system.get(f"/customers/{made['id']}") == {**made, "city": "Chur", "version": 2}


async def test_export_has_everybody_in_pieces(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.customers.use_cases.exports._PAGE", 3)
    for _ in range(7):
        await system.post("/customers", customer())
    out = await rows(system, "/customers")
    count = (await stored(system, "customers", "SELECT count(*) FROM customers"))[0][0]
    numbers = [int(row["number"][2:]) for row in out]
    assert len(numbers) == count
    assert numbers == sorted(set(numbers))


async def test_users_come_back_as_they_went_out(system: System) -> None:
    made = await system.post("/customers", customer())
    path = f"/customers/{made['id']}/users"
    first, second = [await system.post(path, user(surname="-Modèle")) for _ in range(2)]
    await system.post(f"/users/{second['id']}/deactivate", expect=200)
    out = await rows(system, "/users")
    mine = {row["id"]: row for row in out if row["customer_number"] == made["number"]}
    assert mine[first["id"]]["surname"] == "'-Modèle"
    assert mine[second["id"]]["active"] == "false"
    assert await upload(system, "/users", table(out), dry_run=False) == told(unchanged=len(out))
    mine[first["id"]]["first_name"] = "Zora"
    new = {**mine[first["id"]], "id": "", "email": "new.one@musterhotel.example", "role": "boss"}
    answer = await upload(system, "/users", table([*out, new]), dry_run=False)
    assert answer == told(1, 1, len(out) - 1)
    assert (await system.get(f"/users/{first['id']}"))["first_name"] == "Zora"
    newest = (await system.get(path, limit=1))["items"][0]
    assert (newest["email"], newest["role"], newest["version"]) == (new["email"], "boss", 1)

    async def published() -> bool | None:
        kinds = {e.key: e.TYPE for e in await system.events(USERS)}
        found = (kinds.get(newest["id"]), kinds.get(first["id"]))
        return found == ("user.added", "user.updated") or None

    await eventually(published, "both on the topic")


async def test_an_import_takes_no_more_seats_than_there_are(system: System) -> None:
    made = await system.post("/customers", customer())
    await entitle(system, made["id"], 2)
    lines = [f"{made['number']},A,B,seat{n}@musterhotel.example" for n in range(3)]
    text = "\n".join(["customer_number,first_name,surname,email", *lines])
    answer = await upload(system, "/users", text)
    assert [(e["line"], e["field"]) for e in answer["errors"]] == [(4, "customer_number")]
    text = text.rpartition("\n")[0]
    assert await upload(system, "/users", text, dry_run=False) == told(2)


async def test_what_is_edited_by_actions_only_is_not_imported(system: System) -> None:
    made = await system.post("/customers", customer())
    person = await system.post(f"/customers/{made['id']}/users", user())
    other = await system.post("/customers", customer())
    rules = {
        f"id,role\n{person['id']},boss\n": "role",
        f"id,active\n{person['id']},false\n": "active",
        f"id,customer_number\n{person['id']},{other['number']}\n": "customer_number",
    }
    for text, field in rules.items():
        answer = await upload(system, "/users", text)
        assert [e["field"] for e in answer["errors"]] == [field]


async def test_thousands_of_rows_are_one_import(system: System) -> None:
    lines = [f"Firma {n} AG,CH,office@firma{n}.example" for n in range(3_000)]
    text = "\n".join(["company_name,country,email", *lines])
    assert await upload(system, "/customers", text, dry_run=False) == told(3_000)
    found = await system.get("/customers", search="firma 2718")
    assert found["items"][0]["company_name"] == "Firma 2718 AG"


async def test_all_personal_data_of_one_customer_in_one_document(system: System) -> None:
    made = await system.post("/customers", customer())
    people = [await system.post(f"/customers/{made['id']}/users", user()) for _ in range(2)]
    await system.post(
        f"/customers/{(await system.post('/customers', customer()))['id']}/users", user()
    )
    await entitle(system, made["id"], 7)
    found = await system.get(f"/customers/{made['id']}/personal-data")
    assert found["customer"].items() >= made.items()
    assert found["customer"]["created_at"]
    assert [u["email"] for u in found["users"]] == [u["email"] for u in people]
    assert all(
        mine.items() >= own.items() for mine, own in zip(found["users"], people, strict=True)
    )
    assert found["entitlements"] == {"version": 1, "subscribed": True, "max_users": 7}
    assert found["open_invoices"] == []
    tables = {"customers", "users", "entitlements", "open_invoices"}
    # Everything that names a customer is told; a new table has to be told too.
    naming = await stored(
        system,
        "customers",
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND (column_name = 'customer_id' OR table_name IN ('customers', 'users'))",
    )
    assert {name for (name,) in naming} - {"customer_search", "audit"} == tables
