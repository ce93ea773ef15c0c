"""Invoices by hand: drafts, finalising, corrections, voids, deletions, due dates."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.billing.use_cases.settings import erase_customers
from shared.database import Database
from shared.events import Event
from shared.events.billing import (
    INVOICES,
    InvoiceOpened,
)
from shared.events.customers import CustomerErased
from tests.integration.steps import (
    database_of,
    new_customer,
)
from tests.system import System, eventually

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        yield database


@pytest.fixture(scope="module")
async def customer(system: System) -> str:
    return str((await new_customer(system))["id"])


def line(price: str = "100.00", **different: Any) -> dict[str, Any]:
    return {"title": "Beratung", "unit_price": price, **different}


async def drafted(system: System, customer_id: str, *lines: dict[str, Any], **more: Any) -> Any:
    body = {"customer_id": customer_id, "lines": lines or [line()], **more}
    return await system.post("/invoices", body)


async def finalized(system: System, draft: Any, **headers: str) -> Any:
    return await system.post(f"/invoices/{draft['id']}/finalize", expect=200, **headers)


async def refused(system: System, method: str, path: str, body: Any = None) -> Any:
    answer = await system.api.request(method, path, json=body)
    assert answer.status_code == 409, answer.text
    return answer.json()


async def told(system: System, customer_id: str, count: int = 0) -> list[Event]:
    """What billing told of a customer, once it is so much; documents aside."""

    async def look() -> list[Event] | None:
        found = [
            e
            for e in await system.events(INVOICES)
            if e.key == customer_id and e.TYPE != "invoice.document_stored"
        ]
        return found if len(found) >= count else None

    return await eventually(look, f"{count} events of {customer_id}")


def amounts(bill: Any) -> dict[str, str]:
    return {name: bill[name]["amount"] for name in ("subtotal", "rounding", "total")}


# -- drafts ------------------------------------------------------------------------------------


async def test_a_draft_is_priced_as_it_is_written(system: System, customer: str) -> None:
    draft = await drafted(
        system,
        customer,
        line("100.00", quantity="2.5", unit="h", discount_percent="10"),
        line("-10.81", basis="gross", title="Gutschein"),
        title="Beratung im März",
    )

    # 2.5 x 100.00 less 10 % = 225.00, VAT 18.23; less 10.81 with 0.81 VAT in it; CHF 0.05
    assert amounts(draft) == {"subtotal": "214.19", "rounding": "-0.02", "total": "232.40"}
    assert [(v["basis"], v["vat"]["amount"]) for v in draft["vat"]] == [
        ("gross", "-0.81"),
        ("net", "18.23"),
    ]
    assert [row["total"]["amount"] for row in draft["lines"]] == ["225.00", "-10.81"]
    nothing = ("number", "invoice_date", "due_date", "opened_at", "request_id", "corrects")
    assert {draft[name] for name in nothing} == {None}
    assert (draft["state"], draft["version"], draft["language"]) == ("draft", 1, "de")
    assert (draft["currency"], draft["open_amount"]["amount"]) == ("CHF", "0.00")
    assert await system.get(f"/invoices/{draft['id']}") == draft


async def test_trying_saves_nothing(system: System, customer: str) -> None:
    tried = await system.api.post(
        "/invoices?dry_run=true", json={"customer_id": customer, "lines": [line()]}
    )
    assert tried.json()["total"]["amount"] == "108.10"
    await system.get(f"/invoices/{tried.json()['id']}", expect=404)

    draft = await drafted(system, customer)
    body = {"lines": [line("1.00")]}
    answer = await system.api.put(f"/invoices/{draft['id']}?dry_run=true", json=body)
    assert answer.json()["total"]["amount"] == "1.10"
    assert await system.get(f"/invoices/{draft['id']}") == draft

    answer = await system.api.post(f"/invoices/{draft['id']}/finalize?dry_run=true")
    assert (answer.json()["state"], answer.json()["number"]) == ("open", None)
    assert await system.get(f"/invoices/{draft['id']}") == draft


async def test_lines_are_added_changed_ordered_and_removed(system: System, customer: str) -> None:
    draft = await drafted(system, customer, line("1.00", title="A"))
    path = f"/invoices/{draft['id']}/lines"
    await system.post(path, line("2.00", title="B"))
    await system.post(path, line("3.00", title="C"))
    ordered = await system.post(f"{path}/order", {"positions": [3, 1, 2]}, expect=200)
    assert [(row["position"], row["title"]) for row in ordered["lines"]] == [
        (1, "C"),
        (2, "A"),
        (3, "B"),
    ]
    period = {"start": "2026-03-01", "end": "2026-04-01"}
    changed = await system.api.patch(f"{path}/2", json={"quantity": "-2", "period": period})
    row = changed.json()["lines"][1]
    assert (row["title"], row["quantity"], row["total"]["amount"]) == ("A", "-2", "-2.00")
    assert row["period"] == period
    left = (await system.api.delete(f"{path}/1")).json()
    assert [(row["position"], row["title"]) for row in left["lines"]] == [(1, "A"), (2, "B")]
    assert left["version"] == 6
    assert left["subtotal"]["amount"] == "0.00"
    assert (await system.api.delete(f"{path}/3")).status_code == 404


async def test_a_draft_is_replaced_whole(system: System, customer: str) -> None:
    draft = await drafted(system, customer, line(title="A"), line(title="B"), title="Alt")
    body = {
        "title": "Neu",
        "language": "fr",
        "due_date": str(TODAY + timedelta(days=40)),
        "addressee": {"name": "Treuhand AG", "address_lines": ["Postfach", "3000 Bern"]},
        "tax_treatment": "exempt",
        "tax_treatment_reason": "Ausbildung",
        "lines": [line("5.00", title="B2", position=2), line("1.00", title="Neu")],
    }
    answer = await system.api.put(f"/invoices/{draft['id']}", json=body)
    saved = answer.json()

    assert answer.headers["etag"] == '"2"'
    assert (
        saved.items() >= {k: v for k, v in body.items() if k not in {"lines", "addressee"}}.items()
    )
    assert saved["addressee"] == {
        "name": "Treuhand AG",
        "address_lines": ["Postfach", "3000 Bern"],
        "contact_name": "",
        "billing_note": None,
    }
    assert [row["title"] for row in saved["lines"]] == ["B2", "Neu"]
    assert (saved["total"]["amount"], saved["vat"][0]["percent"]) == ("6.00", "0")
    # What a body does not say is as at the beginning.
    again = (await system.api.put(f"/invoices/{draft['id']}", json={"lines": []})).json()
    assert (again["title"], again["language"], again["addressee"]) == ("", "de", None)
    assert (again["tax_treatment"], again["tax_treatment_reason"]) == ("standard", None)
    assert (again["due_date"], again["lines"], again["total"]["amount"]) == (None, [], "0.00")


async def test_whoever_was_slower_is_shown_what_there_is_now(system: System, customer: str) -> None:
    draft = await drafted(system, customer)
    path = f"/invoices/{draft['id']}"
    first = await system.api.post(f"{path}/lines", json=line(), headers={"If-Match": '"1"'})
    assert first.status_code == 201

    for method, rest, body in (
        ("PUT", "", {"lines": []}),
        ("POST", "/lines", line()),
        ("PATCH", "/lines/1", {"title": "x"}),
        ("DELETE", "/lines/1", None),
        ("POST", "/lines/order", {"positions": [1, 2]}),
        ("POST", "/finalize", None),
        ("DELETE", "", None),
    ):
        late = await system.api.request(
            method, f"{path}{rest}", json=body, headers={"If-Match": '"1"'}
        )
        assert late.status_code == 412, f"{method} {rest}"
        assert late.headers["etag"] == '"2"'
        assert late.json()["current"] == first.json()


async def test_nobody_but_operators_sees_a_draft(system: System) -> None:
    customer_id = (await new_customer(system))["id"]
    draft = await drafted(system, customer_id)
    own = await system.client(customer_ids=[customer_id])
    path = f"/invoices/{draft['id']}"
    assert (await own.get(path)).status_code == 404
    assert (await own.get("/invoices")).json()["items"] == []
    for rest in ("/pdf", "/payments", "/credit-notes"):
        assert (await own.get(f"{path}{rest}")).status_code == 404
    pay = {"amount": draft["total"]}
    assert (await own.post(f"{path}/payments", json=pay)).status_code == 404
    assert (await own.post(f"{path}/void")).status_code == 404
    for method, rest in (("PUT", ""), ("POST", "/finalize"), ("DELETE", ""), ("POST", "/lines")):
        answer = await own.request(method, f"{path}{rest}", json={})
        assert answer.status_code == 403, f"{method} {rest}: {answer.text}"
    assert (await own.post("/invoices", json={})).status_code == 403

    edited = (await system.api.put(path, json={"lines": [line("7.00")]})).json()
    assert (await system.api.delete(path)).status_code == 204
    assert edited["version"] == 2
    other = await drafted(system, customer_id)
    await finalized(system, other)
    # Of the first there would be something before this, had it ever been told of.
    (event,) = await told(system, customer_id, 1)
    assert isinstance(event, InvoiceOpened)
    assert (await own.get(f"/invoices/{other['id']}")).status_code == 200


async def test_a_draft_is_no_invoice_yet(system: System, customer: str) -> None:
    draft = await drafted(system, customer)
    path = f"/invoices/{draft['id']}"
    for method, rest, body in (
        ("POST", "/payments", {"amount": draft["total"]}),
        ("POST", "/credit-notes", {}),
        ("POST", "/void", None),
        ("POST", "/correct", None),
        ("POST", "/due-date", {"due_date": str(TODAY)}),
    ):
        problem = await refused(system, method, f"{path}{rest}", body)
        assert problem["type"] == "urn:kontor:problem:invoice_draft", rest
    assert await system.get(path) == draft
    assert (await system.get(f"{path}/payments"))["items"] == []


async def test_of_an_erased_customer_no_draft_is_left(system: System, database: Database) -> None:
    customer_id = (await new_customer(system))["id"]
    draft, opened = [await drafted(system, customer_id) for _ in range(2)]
    await finalized(system, opened)
    erased = CustomerErased(customer_id=UUID(customer_id), version=9, erased_at=datetime.now(UTC))
    async with database.transaction() as tx:
        await erase_customers(tx, [erased])
    await system.get(f"/invoices/{draft['id']}", expect=404)
    assert (await system.get(f"/invoices/{opened['id']}"))["state"] == "open"
