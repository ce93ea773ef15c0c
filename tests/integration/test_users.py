"""Users of customers: what an operator may do with them, and who gets the last seat."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.clock import new_id
from shared.events import Event
from shared.events.customers import USERS, UserState
from shared.events.subscriptions import EntitledProduct, EntitlementsChanged
from tests.builders import customer
from tests.integration.steps import stored
from tests.system import System, eventually

_numbers = iter(range(10_000))


def user(**different: Any) -> dict[str, Any]:
    return {
        "salutation": "Frau",
        "first_name": "Zoë",
        "surname": "Modèle",
        "email": f"zoe{next(_numbers)}@musterhotel.example",
        "role": "desk",
        **different,
    }


async def added(system: System, customer_id: str, **different: Any) -> Any:
    return await system.post(f"/customers/{customer_id}/users", user(**different))


async def new_customer(system: System) -> str:
    return str((await system.post("/customers", customer()))["id"])


async def entitle(
    system: System, customer_id: str, max_users: int, *, version: int = 1, plan: bool = True
) -> None:
    """Tell what the customer's plan allows, and wait until it is known."""
    product = EntitledProduct(id=new_id(), name="Team", subscription_id=new_id())
    await system.send(
        EntitlementsChanged(
            customer_id=UUID(customer_id),
            version=version,
            plan=product if plan else None,
            modules=(),
            features={},
            max_users=max_users,
        )
    )

    async def known() -> bool | None:
        query = "SELECT version FROM entitlements WHERE customer_id = $1"
        return await stored(system, "customers", query, customer_id) == [(version,)] or None

    await eventually(known, "the entitlements")


async def history(system: System, user_id: str, version: int) -> list[Event]:
    async def look() -> list[Event] | None:
        found = [e for e in await system.events(USERS) if e.key == user_id]
        return found if any((e.sequence or 0) >= version for e in found) else None

    return await eventually(look, f"version {version} of user {user_id}")


def as_answer(event: Event) -> dict[str, Any]:
    told = event.model_dump(mode="json")
    return {"id": told.pop("user_id"), **told}


async def test_a_new_user_is_active_and_at_version_1(system: System) -> None:
    customer_id = await new_customer(system)
    body = user()
    answer = await system.api.post(f"/customers/{customer_id}/users", json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/users/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    assert made == {**body, "id": made["id"], "customer_id": customer_id, "version": 1,
                    "active": True}  # fmt: skip
    assert await system.get(f"/users/{made['id']}") == made
    assert (await system.get(f"/customers/{customer_id}/users"))["items"] == [made]


async def test_an_edit_publishes_the_whole_user_and_sends_no_mail(system: System) -> None:
    made = await added(system, await new_customer(system))
    path = f"/users/{made['id']}"
    answer = await system.api.patch(
        path, json={"email": "new@musterhotel.example", "salutation": ""}
    )
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == {
        **made, "email": "new@musterhotel.example", "salutation": "", "version": 2,
    }  # fmt: skip
    same = await system.api.patch(path, json={"surname": made["surname"]})
    assert same.json() == answer.json()
    await system.post(f"{path}/deactivate", expect=200)
    await system.post(f"{path}/deactivate", expect=200)
    back = await system.post(f"{path}/reactivate", expect=200)
    events = await history(system, made["id"], 4)
    assert [e.TYPE for e in events] == [
        "user.added", "user.updated", "user.deactivated", "user.reactivated",
    ]  # fmt: skip
    assert all(
        isinstance(e, UserState) and str(e.customer_id) == made["customer_id"] for e in events
    )
    assert as_answer(events[0]) == made
    assert as_answer(events[-1]) == back == {**answer.json(), "version": 4}
    assert system.mails("new@musterhotel.example") == []
    assert system.mails(made["email"]) == []


async def test_of_two_editors_the_second_gets_the_present_state(system: System) -> None:
    made = await added(system, await new_customer(system))
    for path, body in (
        (f"/users/{made['id']}", {"surname": "Erste"}),
        (f"/customers/{made['customer_id']}", {"city": "Bern"}),
    ):
        seen = {"if-match": (await system.api.get(path)).headers["etag"]}
        first = await system.api.patch(path, json=body, headers=seen)
        second = await system.api.patch(path, json=body, headers=seen)
        assert (first.status_code, second.status_code) == (200, 412)
        assert second.json()["current"] == first.json() == await system.get(path)
        assert second.headers["etag"] == first.headers["etag"] == '"2"'
        newest = {"if-match": second.headers["etag"]}
        assert (await system.api.patch(path, json=body, headers=newest)).is_success


async def test_an_address_belongs_to_one_user_whatever_its_case(system: System) -> None:
    one, other = [await new_customer(system) for _ in range(2)]
    first = await added(system, one, email="Person@Musterhotel.example")
    taken = user(email="pERSON@musterhotel.EXAMPLE")
    answer = await system.post(f"/customers/{other}/users", taken, expect=409)
    assert answer["type"].endswith("email_taken")
    second = await added(system, other)
    path = f"/users/{second['id']}"
    refused = await system.api.patch(path, json={"email": "PERSON@musterhotel.example"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kontor:problem:email_taken")
    own = await system.api.patch(
        f"/users/{first['id']}", json={"email": "PERSON@musterhotel.example"}
    )
    assert own.json()["email"] == "PERSON@musterhotel.example"


async def test_pages_of_users_hold_everybody_once(system: System) -> None:
    customer_id = await new_customer(system)
    made = [(await added(system, customer_id))["id"] for _ in range(5)]
    await added(system, await new_customer(system))
    path, seen = f"/customers/{customer_id}/users", []
    page = await system.get(path, limit=2)
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        page = await system.get(path, limit=2, after=page["next"])
    assert seen == made[::-1]


async def test_without_a_plan_there_is_no_limit(system: System) -> None:
    customer_id = await new_customer(system)
    for _ in range(3):
        await added(system, customer_id)
    await entitle(system, customer_id, 1, plan=False)
    await added(system, customer_id)


async def test_only_active_users_take_seats(system: System) -> None:
    customer_id = await new_customer(system)
    await entitle(system, customer_id, 2)
    first, _ = [await added(system, customer_id) for _ in range(2)]
    path = f"/customers/{customer_id}/users"
    refused = await system.post(path, user(), expect=409)
    assert refused["type"] == "urn:kontor:problem:seat_limit_reached"
    assert (refused["max_users"], refused["active_users"]) == (2, 2)
    await system.post(f"/users/{first['id']}/deactivate", expect=200)
    await added(system, customer_id)
    again = await system.post(f"/users/{first['id']}/reactivate", expect=409)
    assert again["type"] == "urn:kontor:problem:seat_limit_reached"
    assert (await system.get(f"/users/{first['id']}"))["active"] is False
    await entitle(system, customer_id, 0, version=2)  # 0 means no limit
    await system.post(f"/users/{first['id']}/reactivate", expect=200)
    await entitle(system, customer_id, 1, version=3)  # over the limit: who is there stays
    await system.post(path, user(), expect=409)
    assert all(u["active"] for u in (await system.get(path))["items"])


@asynccontextmanager
async def nobody_writes_users(system: System, *, waiting: int) -> AsyncIterator[None]:
    """Hold up who writes users, until so many wait: each has looked at all it wants to see."""
    connection = await asyncpg.connect(system.databases["customers"])
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE users IN SHARE MODE")
            yield

            async def held_up() -> bool | None:
                query = (
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                count = (await stored(system, "customers", query))[0][0]
                return count >= waiting or None

            await eventually(held_up, f"{waiting} transactions that wait")
    finally:
        await connection.close()


@pytest.mark.parametrize("what", ["add", "reactivate"])
async def test_of_fifty_at_once_one_gets_the_last_seat(system: System, what: str) -> None:
    customer_id = await new_customer(system)
    path = f"/customers/{customer_id}/users"
    if what == "reactivate":
        made = [await added(system, customer_id) for _ in range(50)]
        for one in made:
            await system.post(f"/users/{one['id']}/deactivate", expect=200)
    await entitle(system, customer_id, 3)
    for _ in range(2):
        await added(system, customer_id)
    if what == "add":
        requests = [system.api.post(path, json=user()) for _ in range(50)]
    else:
        requests = [system.api.post(f"/users/{one['id']}/reactivate") for one in made]
    async with nobody_writes_users(system, waiting=5):  # as many as have a connection
        answering = [asyncio.create_task(request) for request in requests]
    answers = await asyncio.gather(*answering)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201 if what == "add" else 200, *[409] * 49]
    query = "SELECT count(*) FROM users WHERE customer_id = $1 AND active"
    assert await stored(system, "customers", query, customer_id) == [(3,)]


async def test_of_many_with_one_address_at_once_one_is_added(system: System) -> None:
    customers = [await new_customer(system) for _ in range(4)]
    bodies = [user(email=f"{spelling}@same.example") for spelling in ("same", "Same", "SAME") * 4]
    answers = await asyncio.gather(
        *(
            system.api.post(f"/customers/{customers[n % 4]}/users", json=body)
            for n, body in enumerate(bodies)
        )
    )
    assert sorted(a.status_code for a in answers) == [201, *[409] * 11]
