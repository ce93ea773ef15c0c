"""The customers service, over its API and its topic."""

from typing import Any

import pytest

from shared.events.customers import CUSTOMERS, CustomerState
from tests.builders import customer
from tests.integration.steps import stored
from tests.system import System, eventually


async def states(system: System, customer_id: str, version: int) -> list[CustomerState]:
    """The events of a customer, once there is one of this version."""

    async def look() -> list[CustomerState] | None:
        found = [
            event
            for event in await system.events(CUSTOMERS)
            if isinstance(event, CustomerState) and event.key == customer_id
        ]
        return found if any(event.version >= version for event in found) else None

    return await eventually(look, f"version {version} of {customer_id} on the topic")


def as_answer(state: CustomerState) -> dict[str, Any]:
    told = state.model_dump(mode="json")
    return {"id": told.pop("customer_id"), **told}


@pytest.mark.parametrize(
    ("country", "currency", "language", "time_zone"),
    [
        ("CH", "CHF", "de", "Europe/Zurich"),
        ("LI", "CHF", "de", "Europe/Vaduz"),
        ("DE", "EUR", "de", "Europe/Berlin"),
        ("FR", "EUR", "fr", "Europe/Paris"),
        ("IT", "EUR", "it", "Europe/Rome"),
        ("GB", "GBP", "en", "Europe/London"),
        # English is official there in fact only.
        ("US", "USD", "en", "America/New_York"),
        ("JP", "JPY", "ja", "Asia/Tokyo"),
        ("KW", "KWD", "ar", "Asia/Kuwait"),
    ],
)
async def test_the_country_suggests_currency_language_and_time_zone(
    system: System, country: str, currency: str, language: str, time_zone: str
) -> None:
    made = await system.post("/customers", customer(country=country))
    assert (made["currency"], made["language"], made["time_zone"]) == (
        currency,
        language,
        time_zone,
    )


async def test_what_is_given_wins_over_what_the_country_suggests(system: System) -> None:
    given = {"currency": "USD", "language": "fr", "time_zone": "Asia/Tokyo"}
    made = await system.post("/customers", customer(**given))
    assert made.items() >= given.items()


async def test_a_country_that_suggests_nothing_asks_for_it(system: System) -> None:
    answer = await system.post("/customers", customer(country="AQ"), expect=422)
    assert answer["errors"][0]["field"] in {"currency", "language"}
    given = {"currency": "CHF", "language": "de"}
    made = await system.post("/customers", customer(country="AQ", **given))
    assert made["time_zone"] == "Antarctica/McMurdo"


async def test_a_new_customer_is_complete_numbered_and_at_version_1(system: System) -> None:
    answer = await system.api.post("/customers", json=customer())
    made = answer.json()
    assert answer.headers["location"] == f"/v1/customers/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    assert made.items() >= customer().items()
    assert (made["status"], made["frozen"], made["billing_email"]) == ("active", False, "")
    other = await system.post("/customers", customer())
    assert other["number"] != made["number"]
    assert await system.get(f"/customers/{made['id']}") == made


async def test_a_private_person_has_no_company(system: System) -> None:
    made = await system.post("/customers", customer(company_name="", contact_name="Petra Privat"))
    assert (made["company_name"], made["contact_name"]) == ("", "Petra Privat")


async def test_text_is_stored_as_given(system: System) -> None:
    strange = '<b>"Ä\u2028\u202e & 👩\u200d💻"</b> {{7*7}} =1+1'
    made = await system.post("/customers", customer(company_name=strange, billing_note=" a\r\nb "))
    assert made["company_name"] == strange
    (state,) = await states(system, made["id"], 1)
    assert (state.company_name, state.billing_note) == (strange, " a\r\nb ")


@pytest.mark.parametrize(
    "email",
    [
        "a@b",
        "a b@c.example",
        "@c.example",
        "a@",
        "a@c..example",
        "a@-c.example",
        ".a@c.example",
        "a@c.example, b@c.example",
        "a@c.example\r\nBcc: b@c.example",
        "A <a@c.example>",
        "a@" + "c" * 250 + ".example",
    ],
)
@pytest.mark.parametrize("name", ["email", "billing_email"])
async def test_what_is_no_email_address_is_refused(system: System, name: str, email: str) -> None:
    answer = await system.post("/customers", customer(**{name: email}), expect=422)
    assert [error["field"] for error in answer["errors"]] == [name]


async def test_an_email_address_is_needed_and_one_for_bills_is_not(system: System) -> None:
    await system.post("/customers", customer(email=""), expect=422)
    made = await system.post("/customers", customer(billing_email=""))
    assert made["billing_email"] == ""


@pytest.mark.parametrize("email", ["a+b@c.example", "o'neil@c.example", "jörg@müller.example"])
async def test_what_is_an_email_address_is_taken(system: System, email: str) -> None:
    assert (await system.post("/customers", customer(email=email)))["email"] == email


async def test_pages_hold_everybody_once_newest_first_while_others_arrive(system: System) -> None:
    made = [(await system.post("/customers", customer()))["id"] for _ in range(7)]
    seen: list[str] = []
    page = await system.get("/customers", limit=3)
    for _ in range(40):  # more than there can be
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        await system.post("/customers", customer(company_name="Newcomer"))
        page = await system.get("/customers", limit=3, after=page["next"])
    assert seen[:7] == made[::-1]
    assert len(seen) == len(set(seen))


async def test_the_last_page_leads_nowhere(system: System) -> None:
    await system.post("/customers", customer())
    everybody = await system.get("/customers", limit=200)
    assert everybody["next"] is None
    count = len(everybody["items"])
    assert (await system.get("/customers", limit=count + 1))["next"] is None
    # Exactly full, and still the last one.
    assert (await system.get("/customers", limit=count))["next"] is None


async def test_an_edit_changes_what_it_names_and_publishes_the_next_version(
    system: System,
) -> None:
    made = await system.post("/customers", customer(phone="+41 33 555 01 23"))
    path = f"/customers/{made['id']}"
    answer = await system.api.patch(path, json={"city": "Bern", "phone": ""})
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == {**made, "city": "Bern", "phone": "", "version": 2}
    found = await states(system, made["id"], 2)
    assert [event.TYPE for event in found] == ["customer.created", "customer.updated"]
    assert as_answer(found[0]) == made
    assert as_answer(found[1]) == answer.json() == await system.get(path)


async def test_the_versions_of_an_event_travel_in_its_headers(system: System) -> None:
    answer = await system.api.post(
        "/customers", json=customer(), headers={"x-request-id": "the-request"}
    )
    made = answer.json()
    await states(system, made["id"], 1)
    (record,) = [
        r for r in await system.read_topic(CUSTOMERS.name) if (r.key or b"").decode() == made["id"]
    ]
    headers = {name: value.decode() for name, value in record.headers}
    assert headers["ce_type"] == "customer.created"
    assert headers["ce_source"] == "kontor/customers"
    assert headers["ce_subject"] == made["id"]
    assert headers["ce_sequence"] == "1"
    assert headers["ce_correlationid"] == "the-request"
    assert headers["content-type"] == "application/json"


async def test_an_edit_without_a_difference_publishes_nothing(system: System) -> None:
    made = await system.post("/customers", customer(billing_address=["A", "B"]))
    path = f"/customers/{made['id']}"
    same = {"city": made["city"], "billing_address": ["A", "B"]}
    answer = await system.api.patch(path, json=same)
    assert (answer.status_code, answer.headers["etag"], answer.json()) == (200, '"1"', made)
    await system.api.patch(path, json={"city": "Bern"})
    found = await states(system, made["id"], 2)
    assert [event.version for event in found] == [1, 2]


async def test_with_if_match_only_the_first_of_two_edits_counts(system: System) -> None:
    made = await system.post("/customers", customer())
    path = f"/customers/{made['id']}"
    etag = (await system.api.get(path)).headers["etag"]
    seen = {"if-match": etag}
    first = await system.api.patch(path, json={"city": "Bern"}, headers=seen)
    second = await system.api.patch(path, json={"city": "Basel"}, headers=seen)
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["version"] == 2
    assert (await system.get(path))["city"] == "Bern"
    newest = {"if-match": first.headers["etag"]}
    assert (await system.api.patch(path, json={"city": "Basel"}, headers=newest)).is_success
    anyway = {"if-match": "*"}
    assert (await system.api.patch(path, json={"city": "Chur"}, headers=anyway)).is_success


async def test_a_billing_email_can_be_taken_away_again(system: System) -> None:
    made = await system.post("/customers", customer(billing_email="bills@musterhotel.example"))
    answer = await system.api.patch(f"/customers/{made['id']}", json={"billing_email": ""})
    assert answer.status_code == 200, answer.text
    assert answer.json()["billing_email"] == ""


async def test_of_many_edits_at_once_none_is_lost(system: System) -> None:
    made = await system.post("/customers", customer())
    path = f"/customers/{made['id']}"
    fields = ("city", "contact_name", "company_name", "billing_name", "postcode", "billing_note")
    for field in fields:
        assert (await system.api.patch(path, json={field: f"{field}!"})).is_success
    found = await system.get(path)
    assert all(found[field] == f"{field}!" for field in fields)
    assert found["version"] == 1 + len(fields)
    events = await states(system, made["id"], found["version"])
    assert [event.version for event in events] == list(range(1, found["version"] + 1))
    assert as_answer(events[-1]) == found
    await system.known(made["id"])

    async def copied() -> bool | None:
        for service in ("billing", "notifier"):
            query = "SELECT version, state->>'city' FROM customers WHERE id = $1"
            rows = await stored(system, service, query, made["id"])
            if rows != [(found["version"], "city!")]:
                return None
        return True

    await eventually(copied, "the newest state in every copy")


async def test_an_older_state_does_not_overwrite_a_newer_copy(system: System) -> None:
    made = await system.post("/customers", customer())
    newest = (await system.api.patch(f"/customers/{made['id']}", json={"city": "Bern"})).json()
    events = await states(system, made["id"], 2)
    await system.send(events[0])  # once more, as after a replay
    witness = await system.post("/customers", customer())
    await system.known(witness["id"])

    async def handled() -> bool | None:
        query = "SELECT count(*) FROM inbox"
        return True if (await stored(system, "billing", query))[0][0] >= 3 else None

    await eventually(handled)
    rows = await stored(
        system, "billing", "SELECT version, state->>'city' FROM customers WHERE id = $1", made["id"]
    )
    assert rows == [(newest["version"], "Bern")]


async def test_who_changed_a_customer_is_recorded_without_what_is_personal(
    system: System,
) -> None:
    made = await system.post("/customers", customer())
    path = f"/customers/{made['id']}"
    changed = await system.api.patch(path, json={"city": "Bern", "email": "new@hotel.example"})
    assert changed.status_code == 200, changed.text
    await system.post(f"{path}/freeze", expect=200)
    acts = (await system.get("/customers/audit", customer_id=made["id"]))["items"]
    told = [(act["actor"], act["action"], act["before"], act["after"]) for act in acts]
    assert told == [
        ("operator:test", "customer.frozen", {"version": 2}, {"version": 3}),
        (
            "operator:test",
            "customer.updated",
            {"version": 1},
            {"version": 2, "changed": ["city", "email"]},
        ),
        ("operator:test", "customer.created", None, {"version": 1}),
    ]
    assert "hotel.example" not in str(acts)
