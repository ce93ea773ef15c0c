"""The catalogue: its parts one by one, as a whole, as a file; and who is entitled by it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import yaml

from deploy.services import SERVICES
from services.subscriptions.use_cases.catalogue_refresh import refresh_changed
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from shared.clock import new_id
from shared.database import Database, RolledBack
from shared.running import run_worker
from tests.builders import MODULES, PLANS
from tests.integration.steps import book_plan, database_of, in_state, new_customer, paid, stored
from tests.servers import TestServers
from tests.system import System, eventually

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
YAML = {"content-type": "application/yaml"}
PRICE = {"currency": "CHF", "cycle": "monthly", "unit_price": "10.00"}


class ClocklessSystem(System):
    """One that leaves due work to the tests."""

    async def _work(self, name: str) -> None:
        worker = SERVICES[name].build_worker(self.settings(name))
        await run_worker(worker, ["worker", "relay"], self._stop)


@pytest.fixture(scope="module")
async def system(
    servers: TestServers, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("documents")
    async with ClocklessSystem(servers, databases, folder) as running:
        await running.seeded()
        yield running


async def imported(system: System, text: str, **options: Any) -> Any:
    answer = await system.api.post("/catalogue/import", content=text, params=options, headers=YAML)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def exported(system: System, kind: str = "yaml") -> str:
    answer = await system.api.get("/catalogue/export", params={"format": kind})
    assert answer.status_code == 200, answer.text
    return answer.text


async def audited(system: System) -> int:
    ((count,),) = await stored(system, "subscriptions", "SELECT count(*) FROM audit")
    return int(count)


# -- one by one --------------------------------------------------------------------------------


async def test_a_group_with_its_plan_is_made_changed_archived_and_deleted(system: System) -> None:
    group = await system.post("/plan-groups", {"name": "Local", "country": "CH"})
    body = {"name": "Local Plan", "group": "local", "trial_days": 14, "prices": [PRICE]}
    plan = await system.post("/plans", body)
    path = f"/plans/{plan['id']}"

    assert (plan["key"], plan["group_id"], plan["country"]) == ("local-plan", group["id"], "CH")
    assert plan["version"] == 1
    changed = await system.api.patch(path, json={"max_users": 7}, headers={"If-Match": '"1"'})
    assert changed.headers["etag"] == '"2"'
    assert changed.json() == {**plan, "version": 2, "max_users": 7}
    lost = await system.api.patch(path, json={"max_users": 8}, headers={"If-Match": '"1"'})
    assert (lost.status_code, lost.headers["etag"]) == (412, '"2"')
    assert lost.json()["current"] == changed.json()

    for verb, archived in (("archive", True), ("archive", True), ("unarchive", False)):
        answer = await system.post(f"{path}/{verb}", expect=200)
        assert answer["archived"] is archived
    assert answer["version"] == 4

    used = await system.api.delete(f"/plan-groups/{group['id']}")
    assert (used.status_code, used.json()["type"]) == (409, "urn:kontor:problem:group_in_use")
    assert (await system.api.delete(path)).status_code == 204
    assert (await system.api.get(path)).status_code == 404
    assert (await system.api.delete(f"/plan-groups/{group['id']}")).status_code == 204


async def test_a_part_can_be_put_where_the_caller_chose(system: System) -> None:
    ident = str(new_id())
    body = {"name": "Chosen", "features": {"api": True}, "key": "chosen"}
    first = await system.api.put(f"/modules/{ident}", json=body)
    again = await system.api.put(f"/modules/{ident}", json=body)

    assert (first.status_code, first.json()["id"], first.json()["version"]) == (200, ident, 1)
    assert (again.json(), again.headers["etag"]) == (first.json(), '"1"')
    feature = await system.api.put("/features/chosen", json={"key": "chosen", "label": "Chosen"})
    assert feature.json()["version"] == 1
    assert (await system.api.delete("/features/chosen")).status_code == 204
    assert (await system.api.delete(f"/modules/{ident}")).status_code == 204


async def test_prices_are_kept_by_version(system: System) -> None:
    module = await system.post("/modules", {"name": "Priced module", "prices": [PRICE]})
    path = f"/modules/{module['id']}"
    for amount in ("12.00", None, "12.00"):
        body = {"prices": [{**PRICE, "unit_price": amount}]}
        assert (await system.api.patch(path, json=body)).status_code == 200

    current = await system.get(path)
    everything = await system.get(path, versions="all")
    assert [(p["version"], p["unit_price"]) for p in current["prices"]] == [(4, "12.00")]
    assert [(p["version"], p["unit_price"]) for p in everything["prices"]] == [
        (4, "12.00"),
        (3, None),
        (2, "12.00"),
        (1, "10.00"),
    ]
    assert (await system.api.delete(path)).status_code == 204


@pytest.mark.parametrize("use", ["trial", "gift", "scheduled"])
async def test_what_somebody_had_or_will_have_is_not_deleted(system: System, use: str) -> None:
    prices = [{**PRICE, "unit_price": "1.00"}]
    plan = await system.post(
        "/plans", {"name": use, "group": "plans", "trial_days": 9, "prices": prices}
    )
    made = await new_customer(system)
    path = f"/customers/{made['id']}/plan-actions"
    if use == "scheduled":
        booked = await book_plan(system, made["id"], "Team")
        await paid(system, await system.invoice_of(booked["request_id"]))
        await in_state(system, booked["subscriptions"][0]["id"], "active")
        await system.post(
            path,
            {"plan_id": plan["id"], "action": "change_at_period_end", "cycle": "monthly"},
        )
    else:
        action = "start_trial" if use == "trial" else "activate_free"
        await system.post(path, {"plan_id": plan["id"], "action": action})
        # From here on its subscription is about another plan.
        await system.post(path, {"plan_id": PLANS["Team"], "action": "activate_free"})
    refused = await system.api.delete(f"/plans/{plan['id']}")
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:kontor:problem:product_booked",
    )


async def test_who_books_what_is_being_deleted_hears_so(system: System) -> None:
    plan = await system.post("/plans", {"name": "Vanishing", "group": "plans"})
    made = await new_customer(system)
    connection: Any = await asyncpg.connect(system.databases["subscriptions"])
    try:
        deletion = connection.transaction()
        await deletion.start()
        await connection.execute("SELECT 1 FROM offerings WHERE id = $1 FOR UPDATE", plan["id"])
        body = {"plan_id": plan["id"], "action": "activate_free"}
        path = f"/customers/{made['id']}/plan-actions"
        booking = asyncio.create_task(system.api.post(path, json=body))

        async def waits() -> bool | None:
            query = (
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO subscriptions%'"
            )
            return bool(await stored(system, "subscriptions", query)) or None

        await eventually(waits, "the booking to wait for the deletion")
        await connection.execute("DELETE FROM offerings WHERE id = $1", plan["id"])
        await deletion.commit()
    finally:
        await connection.close()
    answer = await booking
    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:kontor:problem:deleted_meanwhile",
    )
    query = "SELECT count(*) FROM subscriptions WHERE customer_id = $1"
    assert await stored(system, "subscriptions", query, made["id"]) == [(0,)]


async def test_a_price_needs_a_vat_rate_at_home_unless_it_stays_as_it_is(system: System) -> None:
    plan = {"name": "Taxed", "group": "plans"}
    taxed = {**PRICE, "vat_category": "super-reduced"}
    refused = await system.post(
        "/plans", {**plan, "prices": [PRICE, taxed | {"cycle": "yearly"}]}, expect=422
    )
    assert refused["errors"] == [
        {
            "field": "prices[1].vat_category",
            "rule": "there is no VAT rate for super-reduced in CH",
        }
    ]
    made = await system.post("/plans", {**plan, "prices": [PRICE]})
    query = "UPDATE prices SET vat_category = 'super-reduced' WHERE product_id = $1"
    await stored(system, "subscriptions", query, made["id"])  # from before the rate ended
    same = await system.api.patch(f"/plans/{made['id']}", json={"max_users": 3, "prices": [taxed]})
    assert same.is_success, same.text
    dearer = {**taxed, "unit_price": "11.00"}
    again = await system.api.patch(f"/plans/{made['id']}", json={"prices": [dearer]})
    assert again.status_code == 422


async def test_what_was_booked_is_archived_and_not_deleted(system: System) -> None:
    plan = await system.post("/plans", {"name": "Booked", "group": "plans"})
    made = await new_customer(system)
    action = {"action": "activate_free", "plan_id": plan["id"]}
    await system.post(f"/customers/{made['id']}/plan-actions", action)

    refused = await system.api.delete(f"/plans/{plan['id']}")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "Booked was booked: it can be archived, not deleted.",
    )
    await system.post(f"/plans/{plan['id']}/archive", expect=200)
    assert plan["id"] not in {
        p["id"] for p in (await system.get("/plans", archived=False))["items"]
    }
    assert plan["id"] in {p["id"] for p in (await system.get("/plans", archived=True))["items"]}
    entitled = await system.get(f"/customers/{made['id']}/entitlements")
    assert entitled["plan"]["id"] == plan["id"]


async def test_of_two_default_plans_made_at_once_one_wins(system: System) -> None:
    group = await system.post("/plan-groups", {"name": "Contested"})
    plans = [
        {"name": name, "group": group["id"], "is_default": True} for name in ("One", "Two", "Three")
    ]
    answers = await asyncio.gather(*(system.api.post("/plans", json=plan) for plan in plans))

    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    ((count,),) = await stored(
        system, "subscriptions", "SELECT count(*) FROM offerings WHERE group_id = $1", group["id"]
    )
    assert count == 1


async def test_the_default_moves_in_one_document_and_keys_are_exchanged(system: System) -> None:
    group = await system.post("/plan-groups", {"name": "Moving"})
    first, second = [
        await system.post("/plans", {"name": name, "group": group["id"], "is_default": default})
        for name, default in (("Alpha", True), ("Beta", False))
    ]
    document = {
        "plans": [
            {
                "id": second["id"],
                "key": "alpha",
                "name": "B",
                "group": "moving",
                "is_default": True,
            },
            {"id": first["id"], "key": "beta", "name": "A", "group": "moving"},
        ]
    }
    assert (await system.api.put("/catalogue", json=document)).status_code == 204
    found = [await system.get(f"/plans/{plan['id']}") for plan in (first, second)]
    assert [(p["key"], p["is_default"]) for p in found] == [("beta", False), ("alpha", True)]


# -- as a whole --------------------------------------------------------------------------------


async def test_an_export_imports_without_a_change_and_writes_nothing(system: System) -> None:
    before = await audited(system)
    for kind in ("yaml", "json"):
        text = await exported(system, kind)
        for dry_run in (True, False):
            found = await imported(system, text, dry_run=dry_run, archive_missing=True)
            assert (found["changes"], found["missing"]) == ([], [])
        assert await exported(system, kind) == text
    assert await audited(system) == before


async def test_a_dry_run_tells_the_changes_and_makes_none(system: System) -> None:
    text, before = await exported(system), await audited(system)
    document = yaml.safe_load(text)
    (team,) = (p for p in document["plans"] if p["key"] == "team")
    team["max_users"] = 25
    team["prices"][0]["unit_price"] = "55.00"
    document = {"plans": [team]}

    told = await imported(system, yaml.safe_dump(document))
    also = await system.api.put("/catalogue", params={"dry_run": True}, json=document)
    (change,) = told["changes"]
    assert (also.status_code, also.json()) == (200, told)
    assert (change["change"], change["part"], change["key"]) == ("change", "plan", "team")
    assert change["fields"] == [{"field": "max_users", "before": 20, "after": 25}]
    assert [(p["before"]["unit_price"], p["after"]["unit_price"]) for p in change["prices"]] == [
        ("49.00", "55.00")
    ]
    assert "archive" in {o["key"] for o in told["missing"]}
    assert (await exported(system), await audited(system)) == (text, before)


async def test_a_plan_by_its_key_alone_is_made_once(system: System) -> None:
    price = "{currency: CHF, cycle: monthly, unit_price: 5}"
    text = f"plans:\n- {{key: hand-written, name: By hand, group: plans, prices: [{price}]}}\n"
    first = await imported(system, text, dry_run=False)
    again = await imported(system, text, dry_run=False)

    assert [(c["change"], c["key"]) for c in first["changes"]] == [("create", "hand-written")]
    assert again["changes"] == []


async def test_a_stale_whole_is_refused(system: System) -> None:
    seen = (await system.api.get("/catalogue/export")).headers["etag"]
    document = {"features": [{"key": "stale", "label": "One"}]}
    first = await system.api.put("/catalogue", json=document, headers={"If-Match": seen})
    document["features"][0]["label"] = "Two"
    second = await system.api.put("/catalogue", json=document, headers={"If-Match": seen})

    assert (first.status_code, second.status_code) == (204, 412)
    newest = (await system.api.get("/catalogue/export")).headers["etag"]
    assert newest == second.headers["etag"] == first.headers["etag"] != seen


# -- entitlements follow -----------------------------------------------------------------------


async def refreshed(database: Database, *, limit: int = 100, patient: bool = True) -> int:
    """Run rounds until there is nothing more to do; returns how many.

    `patient`: wait for transactions that are still running, of other databases of the server, too.
    """
    done = 0
    for _ in range(2_000):
        async with database.transaction() as tx:
            worked = await refresh_changed(tx, limit, now=NOW, new_id=new_id)
            left = await tx.fetch("SELECT 1 FROM catalogue_refreshes LIMIT 1")
        done += worked
        if not worked and not (left and patient):
            return done
        await asyncio.sleep(0 if worked else 0.02)
    raise AssertionError("it does not end")


async def one_round(database: Database) -> None:
    """One that did something, for one customer at most."""

    async def work() -> bool | None:
        async with database.transaction() as tx:
            return await refresh_changed(tx, 1, now=NOW, new_id=new_id) or None

    await eventually(work, "a round of the refresh")


@pytest.fixture(autouse=True)
async def nothing_due(system: System) -> None:
    async with database_of(system, "subscriptions") as database:
        await refreshed(database)


async def gifted(system: System, kind: str, product_id: str) -> str:
    made = await new_customer(system)
    free = {"action": "activate_free", f"{kind}_id": product_id}
    body = free if kind == "plan" else {"actions": [free]}
    await system.post(f"/customers/{made['id']}/{kind}-actions", body)
    return str(made["id"])


async def entitled(system: System, customer_id: str) -> Any:
    return await system.get(f"/customers/{customer_id}/entitlements")


async def test_all_customers_of_a_changed_plan_are_entitled_anew_in_batches(system: System) -> None:
    plan = await system.post("/plans", {"name": "Followed", "group": "plans", "max_users": 2})
    customers = [await gifted(system, "plan", plan["id"]) for _ in range(5)]
    before = [await entitled(system, customer) for customer in customers]
    body = {"max_users": 9, "features": {"api": True}}
    assert (await system.api.patch(f"/plans/{plan['id']}", json=body)).status_code == 200
    assert await entitled(system, customers[0]) == before[0]  # not inside the request

    async with database_of(system, "subscriptions") as database:
        assert await refreshed(database, limit=2) == 4  # the barrier, and 2 + 2 + 1 customers
        for customer, was in zip(customers, before, strict=True):
            now_is = await entitled(system, customer)
            assert (now_is["max_users"], now_is["features"]) == (9, {"api": True})
            assert now_is["version"] == was["version"] + 1
        assert await refreshed(database) == 0


async def test_customers_of_a_plan_follow_the_modules_that_it_includes(system: System) -> None:
    module = await system.post("/modules", {"name": "Inner"})
    body = {"name": "Outer", "group": "plans", "included_modules": [module["id"]]}
    plan = await system.post("/plans", body)
    customer = await gifted(system, "plan", plan["id"])
    other = await gifted(system, "plan", PLANS["Starter"])
    was = await entitled(system, other)
    path = f"/modules/{module['id']}"
    assert (await system.api.patch(path, json={"features": {"api": True}})).status_code == 200

    async with database_of(system, "subscriptions") as database:
        await refreshed(database)
    assert (await entitled(system, customer))["features"] == {"api": True}
    assert await entitled(system, other) == was


async def test_a_round_that_was_cut_off_is_done_again(system: System) -> None:
    plan = await system.post("/plans", {"name": "Cut off", "group": "plans", "max_users": 2})
    customers = [await gifted(system, "plan", plan["id"]) for _ in range(3)]
    assert (await system.api.patch(f"/plans/{plan['id']}", json={"max_users": 3})).is_success

    async with database_of(system, "subscriptions") as database:
        for _ in range(4):
            async with database.transaction() as tx:
                await refresh_changed(tx, 1, now=NOW, new_id=new_id)
                raise RolledBack
            await one_round(database)
        await refreshed(database)
    assert [(await entitled(system, c))["max_users"] for c in customers] == [3, 3, 3]


async def test_a_change_while_another_is_being_followed_begins_anew(system: System) -> None:
    plan = await system.post("/plans", {"name": "Restless", "group": "plans", "max_users": 2})
    customers = sorted([await gifted(system, "plan", plan["id"]) for _ in range(3)])
    path = f"/plans/{plan['id']}"
    assert (await system.api.patch(path, json={"max_users": 3})).is_success

    async with database_of(system, "subscriptions") as database:
        for _ in range(2):  # the barrier, and the first customer
            await one_round(database)
        async with database.transaction() as busy:
            await busy.run("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", customers[1])
            second = asyncio.create_task(one_round(database))
            await eventually(lambda: waits_for_a_customer(system), "the second to wait")
            assert (await system.api.patch(path, json={"max_users": 4})).is_success
        await second
        await refreshed(database)
    assert [(await entitled(system, c))["max_users"] for c in customers] == [4, 4, 4]


async def waits_for_a_customer(system: System) -> bool | None:
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND query LIKE '%FROM customers WHERE id = ANY%'"
    )
    return bool(await stored(system, "subscriptions", query)) or None


async def test_who_booked_while_the_plan_changed_is_not_forgotten(system: System) -> None:
    plan = await system.post("/plans", {"name": "Raced plan", "group": "plans", "max_users": 2})
    made = await new_customer(system)
    async with (
        database_of(system, "subscriptions") as database,
        database.transaction() as late,
    ):
        # A booking that has read the plan as it was, and is not committed when it changes.
        await late.run("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", made["id"])
        await late.run(
            "INSERT INTO subscriptions (id, customer_id, kind, product_id, state, version, term, "
            "origin, created_at, updated_at) "
            "VALUES ($1, $2, 'plan', $3, 'active', 1, 1, 'free', $4, $4)",
            new_id(), made["id"], plan["id"], NOW,
        )  # fmt: skip
        await refresh_entitlements(late, [made["id"]], now=NOW, new_id=new_id)
        await late.flush()
        answer = await system.api.patch(f"/plans/{plan['id']}", json={"max_users": 9})
        assert answer.is_success
        assert await refreshed(database, patient=False) == 1  # the barrier: then it waits
    async with database_of(system, "subscriptions") as database:
        assert await refreshed(database) == 1
    assert (await entitled(system, made["id"]))["max_users"] == 9


async def test_two_workers_at_once_do_it_once(system: System) -> None:
    plan = await system.post("/plans", {"name": "Twice", "group": "plans", "max_users": 2})
    customers = [await gifted(system, "plan", plan["id"]) for _ in range(6)]
    before = [(await entitled(system, c))["version"] for c in customers]
    assert (await system.api.patch(f"/plans/{plan['id']}", json={"max_users": 3})).is_success

    async with (
        database_of(system, "subscriptions") as one,
        database_of(system, "subscriptions") as two,
    ):
        await asyncio.gather(refreshed(one, limit=2), refreshed(two, limit=2))
    found = [await entitled(system, c) for c in customers]
    assert [(e["max_users"], e["version"]) for e in found] == [(3, v + 1) for v in before]


async def test_what_entitles_to_nothing_else_makes_nothing_due(system: System) -> None:
    path = f"/modules/{MODULES['Analytics']}"
    assert (await system.api.patch(path, json={"description": "Other words."})).is_success
    assert await stored(system, "subscriptions", "SELECT 1 FROM catalogue_refreshes") == []
