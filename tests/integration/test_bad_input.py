# ruff: noqa: E501 - tables with one case per line
"""Bad input gets a problem document that names the field and the rule, and changes nothing."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from deploy.local.seed import load
from tests.builders import MODULES, PLANS, customer
from tests.integration.steps import (
    Watch,
    book_modules,
    book_plan,
    in_state,
    new_customer,
    paid,
    stored,
)
from tests.system import System, eventually

PROBLEM = "application/problem+json"
UNKNOWN = "01900000-0000-7000-8000-00000000dead"
ARCHIVED = "01900000-0000-7000-8000-00000000a1d0"
ON_REQUEST = "01900000-0000-7000-8000-00000000a1d1"
TODAY = str(datetime.now(ZoneInfo("Europe/Zurich")).date())
TOMORROW = str((datetime.now(UTC) + timedelta(days=2)).date())


@dataclass(frozen=True)
class World:
    """A customer without anything, and invoices of another one in each state."""

    ids: dict[str, str]
    watch: Watch

    def path(self, template: str) -> str:
        return template.format(**self.ids)


@pytest.fixture(scope="module")
async def world(system: System) -> AsyncIterator[World]:
    await system.seeded()
    bare = await new_customer(system)
    yen = await new_customer(system, currency="JPY")
    busy = await new_customer(system)
    booked = await book_plan(system, busy["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    invoices = {"open": invoice}
    for name, module in (("paid", "Analytics"), ("void", "Archive")):
        booking = await book_modules(system, busy["id"], **{module: "monthly"})
        invoices[name] = await system.invoice_of(booking["request_id"])
        if name == "paid":
            await paid(system, invoices[name])
            await in_state(system, booking["subscriptions"][0]["id"], "active")
        else:
            await system.post(f"/invoices/{invoices[name]['id']}/void", expect=200)
            await in_state(system, booking["subscriptions"][0]["id"], "withdrawn")

    abroad = await new_customer(system, country="DE", currency="EUR")
    away = await new_customer(system)
    await system.post(f"{CUSTOMER}/{away['id']}/deactivate", expect=200)

    async def deactivated() -> bool | None:
        query = "SELECT 1 FROM customers WHERE id = $1 AND status = 'deactivated'"
        return bool(await stored(system, "subscriptions", query, away["id"])) or None

    await eventually(deactivated, "subscriptions to know who is deactivated")
    ids = await unusual_plans(system)
    user = await system.post(f"{CUSTOMER}/{bare['id']}/users", USER)
    gone = await new_customer(system)
    for verb in ("deactivate", "erase"):
        await system.post(f"{CUSTOMER}/{gone['id']}/{verb}", expect=200)

    async def quiet() -> bool | None:
        sent = await system.get("/deliveries", customer_id=busy["id"])
        waiting = [
            count
            for service in system.databases
            for (count,) in await stored(system, service, "SELECT count(*) FROM outbox")
        ]
        states = [item["state"] for item in sent["items"]]
        # The mail of the void one was held back, or a cancellation note went after it.
        done = sorted(states) in (["sent", "sent", "withdrawn"], ["sent"] * 4)
        query = "SELECT coalesce(sum(jsonb_array_length(mails)), 0) FROM invoices"
        noted = await stored(system, "billing", query) == [(states.count("sent"),)]
        return True if done and noted and not any(waiting) else None

    await eventually(quiet, "everything to be quiet")
    async with Watch(system) as watch:
        yield World(
            {
                "bare": bare["id"],
                "yen": yen["id"],
                "busy": busy["id"],
                "plan": booked["subscriptions"][0]["id"],
                "unknown": UNKNOWN,
                "user": user["id"],
                "gone": gone["id"],
                "abroad": abroad["id"],
                "away": away["id"],
                **ids,
                **{name: i["id"] for name, i in invoices.items()},
            },
            watch,
        )


async def unusual_plans(system: System) -> dict[str, str]:
    """A plan that is archived, and one whose price is on request."""
    prices = [{"currency": "CHF", "cycle": "monthly", "unit_price": None}]
    request = {"name": "On request", "group": "plans", "prices": prices}
    on_request = await system.post("/plans", {**request, "id": ON_REQUEST})
    archived = await system.post("/plans", {"name": "Old", "group": "plans", "id": ARCHIVED})
    await system.post(f"/plans/{archived['id']}/archive", expect=200)
    return {"archived": archived["id"], "on_request": on_request["id"]}


@dataclass(frozen=True)
class Case:
    """A request and the refusal it must get; `rule` is part of the words, `detail` of the sentence."""

    name: str
    method: str
    path: str
    body: Any = None
    status: int = 422
    code: str = "input_invalid"
    field: str | None = None
    rule: str = ""
    detail: str = ""
    headers: dict[str, str] | None = None
    content: bytes | None = None


def money(amount: Any, currency: Any = "CHF") -> dict[str, Any]:
    return {"amount": {"amount": amount, "currency": currency}}


def credit(line: dict[str, Any]) -> dict[str, Any]:
    return {"lines": [{"position": 1, **line}]}


def cursor(*values: Any) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode()


def seller(**different: Any) -> Any:
    return {**json.loads(json.dumps(load("seller"), default=str)), **different}


def plan_action(plan: str = PLANS["Team"], cycle: Any = "monthly", **more: Any) -> dict[str, Any]:
    return {"action": "make_invoice", "plan_id": plan, "cycle": cycle, **more}


def catalogue_plan(**different: Any) -> dict[str, Any]:
    plan = {"id": str(uuid4()), "name": "New", "group_id": load("catalogue")["groups"][0]["id"]}
    return {"plans": [{**plan, **different}]}


def price(**different: Any) -> dict[str, Any]:
    row = {"currency": "CHF", "cycle": "monthly", "unit_price": "1.00"}
    return catalogue_plan(prices=[{**row, **different}])


GROUP = load("catalogue")["groups"][0]["id"]
CUSTOMER = "/customers"
USER = {"first_name": "Zoë", "surname": "Modèle", "email": "zoe@musterhotel.example"}
BARE = "/customers/{bare}"
PLAN = "/customers/{bare}/plan-actions"
MODULE = "/customers/{bare}/module-actions"
PAY = "/invoices/{open}/payments"
CREDIT = "/invoices/{open}/credit-notes"
REFUND = "/customers/{busy}/refunds"
NUL = "nothing\0at all"
LONE = b'"\\ud800"'

CUSTOMER_CASES = [
    Case("unknown country", "POST", CUSTOMER, customer(country="XX"), field="country"),
    Case("unknown currency", "POST", CUSTOMER, customer(currency="CHX"), field="currency"),
    Case("currency without money", "POST", CUSTOMER, customer(currency="XAU"), field="currency"),
    Case("unknown language", "POST", CUSTOMER, customer(language="xx"), field="language"),
    Case("unknown zone", "POST", CUSTOMER, customer(time_zone="Mars/Olympus"), field="time_zone"),
    Case("zone that is a folder", "POST", CUSTOMER, customer(time_zone="America"), field="time_zone"),
    Case("zone outside", "POST", CUSTOMER, customer(time_zone="../../etc"), field="time_zone"),
    Case("no e-mail address", "POST", CUSTOMER, customer(email="nobody"), field="email"),
    Case("e-mail with a line", "POST", CUSTOMER, customer(email="a@b.example\n"), field="email"),
    Case("nobody", "POST", CUSTOMER, customer(company_name="", contact_name=""), field="company_name"),
    Case("missing field", "POST", CUSTOMER, {"company_name": "A"}, field="country", rule="required"),
    Case("unknown field", "POST", CUSTOMER, customer(colour="red"), field="colour", rule="not permitted"),
    Case("owned by us", "POST", CUSTOMER, customer(number="K-1"), field="number", rule="not permitted"),
    Case("oversize text", "POST", CUSTOMER, customer(company_name="x" * 101), field="company_name"),
    Case("oversize list", "POST", CUSTOMER, customer(address_lines=["a"] * 7), field="address_lines"),
    Case("oversize line", "POST", CUSTOMER, customer(address_lines=["x" * 101]), field="address_lines[0]"),
    Case("number as text", "POST", CUSTOMER, customer(postcode=3600), field="postcode"),
    Case("text as list", "POST", CUSTOMER, customer(address_lines="a"), field="address_lines"),
    Case("object as text", "POST", CUSTOMER, customer(city={}), field="city"),
    Case("null name", "POST", CUSTOMER, customer(company_name=None), field="company_name"),
    Case("NUL", "POST", CUSTOMER, customer(company_name=NUL), field="company_name"),
    Case("NUL in a list", "POST", CUSTOMER, customer(address_lines=[NUL]), field="address_lines[0]"),
    Case(
        "lone surrogate", "POST", CUSTOMER, field="city",
        content=json.dumps(customer(city="?")).encode().replace(b'"?"', LONE),
    ),
    Case(
        "lone surrogate as a field", "POST", CUSTOMER,
        content=json.dumps(customer(huh=1)).encode().replace(b'"huh"', LONE),
    ),
    Case("empty edit", "PATCH", BARE, {}, field="body", rule="at least one"),
    Case("null in an edit", "PATCH", BARE, {"city": None}, field="city"),
    Case("null e-mail", "PATCH", BARE, {"email": None}, field="email"),
    Case("unknown field in an edit", "PATCH", BARE, {"status": "deactivated"}, field="status"),
    Case("NUL in an edit", "PATCH", BARE, {"billing_note": NUL}, field="billing_note"),
    Case("unknown zone in an edit", "PATCH", BARE, {"time_zone": "Mars/Olympus"}, field="time_zone"),
    Case("names taken away", "PATCH", BARE, {"company_name": "", "contact_name": ""}, field="company_name"),
    Case("stale If-Match", "PATCH", BARE, {"city": "Bern"}, 412, "version_changed", headers={"If-Match": '"7"'}),
    Case("stale and long", "PATCH", BARE, {"city": "Bern"}, 412, "version_changed", headers={"If-Match": f'"{10**30}"'}),
    Case("malformed If-Match", "PATCH", BARE, {"city": "Bern"}, field="If-Match", headers={"If-Match": '"one"'}),
    Case("empty If-Match", "PATCH", BARE, {"city": "Bern"}, field="If-Match", headers={"If-Match": '""'}),
    # int() refuses more than 4,300 digits.
    Case("endless If-Match", "PATCH", BARE, {"city": "Bern"}, field="If-Match", headers={"If-Match": f'"{"1" * 5000}"'}),
    Case("blank names", "POST", CUSTOMER, customer(company_name=" ", contact_name=""), field="company_name"),
    Case("no telephone", "POST", CUSTOMER, customer(phone="phone!"), field="phone", rule="telephone number"),
    Case("telephone of nobody", "PATCH", BARE, {"phone": "+999 1"}, field="phone", rule="telephone number"),
    Case("website without http", "POST", CUSTOMER, customer(website="musterhotel.example"), field="website", rule="http"),
    Case("website that runs", "POST", CUSTOMER, customer(website="javascript:alert(1)"), field="website", rule="http"),
    Case("VAT id with a wrong digit", "POST", CUSTOMER, customer(vat_id="DE123456789"), field="vat_id", rule="DE"),
    Case("VAT id in an edit", "PATCH", BARE, {"vat_id": "CHE-1"}, field="vat_id", rule="CH"),
    Case("VAT id of another kind", "POST", CUSTOMER, customer(country="US", vat_id="?"), field="vat_id", rule="3 to 30"),
    Case("an erased customer", "PATCH", "/customers/{gone}", {"city": "Bern"}, 410, "customer_erased"),
    Case("erase an active one", "POST", "/customers/{bare}/erase", None, 409, "customer_active"),
    Case("erase it again", "POST", "/customers/{gone}/erase", None, 410, "customer_erased"),
    Case("deactivate an erased one", "POST", "/customers/{gone}/deactivate", None, 410, "customer_erased"),
    Case("freeze nobody", "POST", "/customers/{unknown}/freeze", None, 404, "customer_not_found"),
    Case("unknown customer", "PATCH", "/customers/{unknown}", {"city": "Bern"}, 404, "customer_not_found"),
    Case("bad UUID", "PATCH", "/customers/7", {"city": "Bern"}, field="customer_id"),
    Case("endless key", "POST", CUSTOMER, customer(), field="Idempotency-Key", headers={"Idempotency-Key": "k" * 256}),
    Case("empty key", "POST", CUSTOMER, customer(), field="Idempotency-Key", headers={"Idempotency-Key": ""}),
]  # fmt: skip

USERS = "/customers/{bare}/users"
ONE = "/users/{user}"
NOT_THAT = "only salutation, first_name, surname and email"
CSV = {"content-type": "text/csv"}
NUMBER_ONLY = "number\nK-1\n"


def upload(name: str, path: str, content: str | bytes, **expected: Any) -> Case:
    body = content if isinstance(content, bytes) else content.encode()
    return Case(name, "POST", f"{path}/import?dry_run=false", headers=CSV, content=body, **expected)


USER_CASES = [
    Case("no first name", "POST", USERS, {**USER, "first_name": ""}, field="first_name"),
    Case("no surname", "POST", USERS, {"first_name": "A", "email": "a@b.example"}, field="surname"),
    Case("no e-mail", "POST", USERS, {**USER, "email": "nobody"}, field="email"),
    Case("long salutation", "POST", USERS, {**USER, "salutation": "x" * 21}, field="salutation"),
    Case("long role", "POST", USERS, {**USER, "role": "x" * 51}, field="role"),
    Case("unknown field", "POST", USERS, {**USER, "active": False}, field="active", rule="not permitted"),
    Case("e-mail taken", "POST", USERS, {**USER, "email": "ZOE@MusterHotel.example"}, 409, "email_taken"),
    Case("user of nobody", "POST", "/customers/{unknown}/users", USER, 404, "customer_not_found"),
    Case("user of an erased one", "POST", "/customers/{gone}/users", USER, 410, "customer_erased"),
    Case("users of an erased one", "GET", "/customers/{gone}/users", None, 410, "customer_erased"),
    Case("edit the role", "PATCH", ONE, {"role": "boss"}, field="role", rule=NOT_THAT),
    Case("edit active", "PATCH", ONE, {"surname": "A", "active": False}, field="active", rule=NOT_THAT),
    Case("edit the customer", "PATCH", ONE, {"customer_id": UNKNOWN}, field="customer_id", rule=NOT_THAT),
    Case("edit what is not there", "PATCH", ONE, {"colour": "red"}, field="colour", rule=NOT_THAT),
    Case("no edit of a user", "PATCH", ONE, {}, field="body", rule="at least one"),
    Case("no name left", "PATCH", ONE, {"surname": ""}, field="surname"),
    Case("null in a user", "PATCH", ONE, {"email": None}, field="email"),
    Case("NUL in a user", "PATCH", ONE, {"surname": NUL}, field="surname"),
    Case("stale user", "PATCH", ONE, {"surname": "A"}, 412, "version_changed", headers={"If-Match": '"7"'}),
    Case("unknown user", "PATCH", "/users/{unknown}", {"surname": "A"}, 404, "user_not_found"),
    Case("deactivate nobody", "POST", "/users/{unknown}/deactivate", None, 404, "user_not_found"),
]  # fmt: skip

EXCHANGE_CASES = [
    Case("JSON for CSV", "POST", "/customers/import", {}, field="Content-Type", rule="text/csv"),
    upload("an empty file", CUSTOMER, "", field="header"),
    upload("unknown column", CUSTOMER, "number,colour\n", field="header", rule="colour"),
    upload("no UTF-8", CUSTOMER, b"city\n\xff\n", field="body", rule="UTF-8"),
    upload("open quote", CUSTOMER, 'city\n"Bern', field="body", rule="line 2"),
    upload("unknown number", CUSTOMER, NUMBER_ONLY, code="import_refused", field="number"),
    upload("no country", CUSTOMER, "company_name,email\nA,a@b.example\n", code="import_refused", field="country"),
    upload("NUL in a cell", CUSTOMER, "company_name,country,email\nA\0,CH,a@b.example\n", code="import_refused", field="company_name"),
    upload(
        "one bad row of two", CUSTOMER, "company_name,country,email\nA,CH,a@b.example\nB,CH,b\n",
        code="import_refused", field="email",
    ),
    upload("a status", CUSTOMER, "company_name,country,email,status\nA,CH,a@b.example,deactivated\n", code="import_refused", field="status"),
    upload("no flag", CUSTOMER, "company_name,country,email,frozen\nA,CH,a@b.example,perhaps\n", code="import_refused", field="frozen"),
    upload("user of no customer", "/users", "customer_number,first_name,surname,email\nK-1,A,B,a@b.example\n", code="import_refused", field="customer_number"),
    upload("no user's id", "/users", "id,surname\n7,A\n", code="import_refused", field="id"),
    upload("unknown user", "/users", f"id,surname\n{UNKNOWN},A\n", code="import_refused", field="id"),
]  # fmt: skip

BODY_CASES = [
    Case("malformed JSON", "POST", CUSTOMER, None, 400, "json_malformed", content=b'{"country": '),
    Case("no JSON", "POST", CUSTOMER, None, 400, "json_malformed", content=b"country=CH"),
    Case("no UTF-8", "POST", CUSTOMER, None, 400, "http_error", content=b'{"city": "\xff"}'),
    Case("no body", "POST", CUSTOMER, field="body", rule="required", content=b""),
    Case("a list", "POST", CUSTOMER, [], field="body"),
    Case("a number", "POST", CUSTOMER, 5, field="body"),
    Case("null", "POST", CUSTOMER, field="body", content=b"null"),
    Case("endless number", "POST", CUSTOMER, None, 400, "http_error", content=b'{"city": ' + b"9" * 5000 + b"}"),
    Case("deep nesting", "POST", CUSTOMER, None, 400, "http_error", content=b"[" * 100_000),
    # Shallow enough for the parser, deep enough for whoever walks it by recursion.
    Case("nesting of 400", "POST", CUSTOMER, content=b'{"city": ' + b"[" * 400 + b"]" * 400 + b"}"),
    Case("10 MB", "POST", CUSTOMER, None, 413, "body_too_large", content=b'"' + b"x" * 10_000_000 + b'"'),
    Case(
        "10 MB with a key", "POST", CUSTOMER, None, 413, "body_too_large",
        content=b'"' + b"x" * 10_000_000 + b'"', headers={"Idempotency-Key": "large"},
    ),
    Case("unknown path", "POST", "/kustomers", {}, 404, "not_found"),
    Case("unknown method", "DELETE", CUSTOMER, None, 405, "method_not_allowed"),
]  # fmt: skip

LIST_CASES = [
    Case(f"{path} {name}", "GET", f"/{path}?{query}", field=wrong)
    for path in ("customers", "invoices", "deliveries")
    for name, query, wrong in (
        ("limit 0", "limit=0", "limit"),
        ("limit 201", "limit=201", "limit"),
        ("limit endless", f"limit={10**30}", "limit"),
        ("limit no number", "limit=many", "limit"),
        ("cursor no base64", "after=abc", "after"),
        ("cursor no JSON", "after=" + urlsafe_b64encode(b"nothing").decode(), "after"),
        ("cursor no UTF-8", "after=" + urlsafe_b64encode(b'["\xff"]').decode(), "after"),
        ("cursor null", "after=" + urlsafe_b64encode(b"null").decode(), "after"),
        ("cursor too short", "after=" + cursor("2026-01-01T00:00:00+00:00"), "after"),
        ("cursor no time", "after=" + cursor("yesterday", UNKNOWN), "after"),
        ("cursor time without zone", "after=" + cursor("2026-01-01T00:00:00", UNKNOWN), "after"),
        ("cursor no UUID", "after=" + cursor("2026-01-01T00:00:00+00:00", "x"), "after"),
        ("cursor UUID a number", "after=" + cursor("2026-01-01T00:00:00+00:00", 5), "after"),
        ("cursor time a number", "after=" + cursor(5, UNKNOWN), "after"),
        ("cursor deep", "after=" + urlsafe_b64encode(b"[" * 20_000).decode(), "after"),
    )
] + [
    Case("unknown order", "GET", "/customers?sort=city", field="sort", rule="created"),
    Case("unknown order of a search", "GET", "/customers?search=hotel&sort=city", field="sort", rule="created"),
    Case("unknown status", "GET", "/customers?status=erased", field="status"),
    Case("unknown country in a list", "GET", "/customers?country=XX", field="country"),
    Case("a search for nothing", "GET", "/customers?search=a", field="search", rule="two letters"),
    Case("an endless search", "GET", "/customers?search=" + "x" * 201, field="search"),
    Case("NUL in a cursor", "GET", "/customers?sort=name&after=" + cursor("a\0", "1"), field="after"),
    Case("surrogate in a cursor", "GET", "/customers?sort=name&after=" + cursor("a\ud800", "1"), field="after"),
    Case("endless number in a cursor", "GET", "/customers?after=" + cursor(str(10**30)), field="after"),
    Case("a list's cursor in a search", "GET", "/customers?search=hotel&after=" + cursor("10001"), field="after"),
    Case("an erased customer", "GET", "/customers/{gone}", None, 410, "customer_erased"),
    Case("data of an erased customer", "GET", "/customers/{gone}/personal-data", None, 410, "customer_erased"),
    Case("subscriptions cursor", "GET", "/subscriptions?after=5", field="after"),
    Case("subscriptions limit", "GET", "/subscriptions?limit=0", field="limit"),
    Case("subscriptions customer", "GET", "/subscriptions?customer_id=5", field="customer_id"),
    Case("invoices customer", "GET", "/invoices?customer_id=me", field="customer_id"),
    Case("one subscription", "GET", "/subscriptions/{unknown}", None, 404, "subscription_not_found"),
    Case("one subscription, bad UUID", "GET", "/subscriptions/%00", field="subscription_id"),
    Case("one customer", "GET", "/customers/{unknown}", None, 404, "customer_not_found"),
    Case("one invoice", "GET", "/invoices/{unknown}", None, 404, "invoice_not_found"),
    Case("one document", "GET", "/invoices/{unknown}/pdf", None, 404, "invoice_not_found"),
    Case("payments", "GET", "/invoices/{unknown}/payments", None, 404, "invoice_not_found"),
    Case("plans", "GET", "/customers/{unknown}/plan-options", None, 404, "customer_not_found"),
    Case("modules", "GET", "/customers/{unknown}/module-options", None, 404, "customer_not_found"),
    Case("entitlements", "GET", "/customers/{unknown}/entitlements", None, 404, "customer_not_found"),
]  # fmt: skip

EDIT = "/customers/{busy}/module-actions"


def edit(**dates: str) -> dict[str, Any]:
    return {"actions": [{"action": "edit_period", "module_id": MODULES["Analytics"], **dates}]}


ACTION_CASES = [
    Case("unknown customer", "POST", "/customers/{unknown}/plan-actions", plan_action(), 404, "customer_not_found"),
    Case("archived plan", "POST", PLAN, plan_action(ARCHIVED), 409, "action_not_offered", detail="Old is not offered any more."),
    Case("gift of an archived plan", "POST", PLAN, {"action": "activate_free", "plan_id": ARCHIVED}, 409, "action_not_offered", detail="not offered any more"),
    Case("price on request", "POST", PLAN, plan_action(ON_REQUEST), 409, "action_not_offered", detail="the monthly price in CHF is on request"),
    Case("plan of another country", "POST", "/customers/{abroad}/plan-actions", plan_action(PLANS["Business"]), 409, "action_not_offered", detail="Business is offered in CH only."),
    Case("booking of a deactivated customer", "POST", "/customers/{away}/plan-actions", plan_action(), 409, "action_not_offered", detail="The customer is deactivated."),
    Case("module of a deactivated customer", "POST", "/customers/{away}/module-actions", {"actions": [{"action": "activate_free", "module_id": MODULES["Analytics"]}]}, 409, "action_not_offered", detail="The customer is deactivated."),
    Case("booking of an erased customer", "POST", "/customers/{gone}/plan-actions", plan_action(), 409, "action_not_offered", detail="erased"),
    Case("total negative", "POST", PLAN, plan_action(expected_total=money("-52.95")["amount"]), 409, "amount_changed"),
    Case("total huge", "POST", PLAN, plan_action(expected_total=money("9" * 15)["amount"]), field="expected_total"),
    Case("total in no currency", "POST", PLAN, plan_action(expected_total=money("52.95", "CHX")["amount"]), field="expected_total"),
    Case("version huge", "POST", PLAN, plan_action(customer_version=2**31), field="customer_version"),
    Case("version no number", "POST", PLAN, plan_action(customer_version="one"), field="customer_version"),
    Case("modules, a version not known yet", "POST", MODULE, {"actions": [{"action": "activate_free", "module_id": MODULES["Analytics"]}], "customer_version": 1000}, 409, "retry"),
    Case("modules, another total", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": "monthly"}], "expected_total": money("1.00")["amount"]}, 409, "amount_changed"),
    Case("modules, unknown cycle", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": "daily"}]}, field="actions[0].cycle"),
    Case("modules, unknown field", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": "monthly", "price": "1"}]}, field="actions[0].price"),
    Case("modules, too many", "POST", MODULE, {"actions": [{"action": "activate_free", "module_id": MODULES["Analytics"]}] * 101}, field="actions"),
    Case("bad UUID", "POST", "/customers/{bare}x/plan-actions", plan_action(), field="customer_id"),
    Case("unknown plan", "POST", PLAN, plan_action(UNKNOWN), 404, "plan_not_found"),
    Case("a module as plan", "POST", PLAN, plan_action(MODULES["Archive"]), 404, "plan_not_found"),
    Case("a plan as module", "POST", MODULE, {"actions": [{"action": "activate_free", "module_id": PLANS["Team"]}]}, 404, "module_not_found"),
    Case("plan no UUID", "POST", PLAN, plan_action("Team"), field="plan_id"),
    Case("unknown cycle", "POST", PLAN, plan_action(cycle="weekly"), field="cycle"),
    Case("one-time plan", "POST", PLAN, plan_action(cycle="once"), 409, "action_not_offered"),
    Case("no cycle", "POST", PLAN, plan_action(cycle=None), field="body", rule="cycle is required"),
    Case("cycle of a gift", "POST", PLAN, plan_action() | {"action": "activate_free"}, field="body"),
    Case("unknown action", "POST", PLAN, plan_action() | {"action": "take"}, field="action"),
    Case("no price in the currency", "POST", "/customers/{yen}/plan-actions", plan_action(), 409, "action_not_offered", detail="there is no monthly price in JPY"),
    Case("cycle where there is none", "POST", PLAN, {"action": "withdraw", "plan_id": PLANS["Team"], "cycle": "monthly"}, field="body", rule="cycle is not for withdraw"),
    Case("dates of an invoice", "POST", PLAN, plan_action(end="2031-01-01"), field="body", rule="start and end are not for make_invoice"),
    Case("no dates", "POST", PLAN, {"action": "edit_period", "plan_id": PLANS["Team"]}, field="body", rule="start or end is required"),
    Case("dates reversed", "POST", PLAN, {"action": "edit_period", "plan_id": PLANS["Team"], "start": "2026-03-02", "end": "2026-03-01"}, field="body", rule="end must be after start"),
    Case("no date at all", "POST", PLAN, {"action": "edit_period", "plan_id": PLANS["Team"], "end": "2026-02-30"}, field="end"),
    Case("a huge year", "POST", PLAN, {"action": "edit_period", "plan_id": PLANS["Team"], "end": "12026-01-01"}, field="end"),
    Case("start after today", "POST", EDIT, edit(start="2999-01-01"), field="start", rule="must not be after today"),
    Case("end in the past", "POST", EDIT, edit(end="2020-01-01"), field="end", rule="must be after today"),
    Case("start far back", "POST", EDIT, edit(start="1900-01-01"), field="start", rule="must be within 50 years"),
    Case("end is today", "POST", EDIT, edit(end=TODAY), field="end", rule="must be after today"),
    Case("end no text", "POST", EDIT, {"actions": [{"action": "edit_period", "module_id": MODULES["Analytics"], "end": 20310101.5}]}, field="actions[0].end"),
    Case("end far away", "POST", EDIT, edit(end="2999-01-01"), field="end", rule="must be within 50 years"),
    Case("nothing to edit", "POST", MODULE, {"actions": [{"action": "edit_period", "module_id": MODULES["Analytics"], "end": "2999-01-01"}]}, 409, "action_not_offered"),
    Case("a reason too long", "POST", PLAN, plan_action(reason="x" * 501), field="reason"),
    Case("version 0", "POST", PLAN, plan_action(customer_version=0), field="customer_version"),
    Case("a version not known yet", "POST", PLAN, plan_action(customer_version=1000), 409, "retry"),
    Case("a total for what is free", "POST", PLAN, {"action": "activate_free", "plan_id": PLANS["Team"], "expected_total": money("1.00")["amount"]}, 409, "amount_changed"),
    Case("history of nothing", "GET", "/subscriptions/{unknown}/history", None, 404, "subscription_not_found"),
    Case("second live plan", "POST", "/customers/{busy}/plan-actions", plan_action(PLANS["Business"]), 409, "action_not_offered"),
    Case("same plan again", "POST", "/customers/{busy}/plan-actions", plan_action(), 409, "action_not_offered"),
    Case("gift beside a plan", "POST", "/customers/{busy}/plan-actions", {"action": "activate_free", "plan_id": PLANS["Starter"]}, 409, "action_not_offered"),
    Case("another amount", "POST", PLAN, plan_action(expected_total=money("52.90")["amount"]), 409, "amount_changed"),
    Case("another currency", "POST", PLAN, plan_action(expected_total=money("52.95", "EUR")["amount"]), 409, "amount_changed"),
    Case("amount a float", "POST", PLAN, plan_action(expected_total=money(52.95)["amount"]), field="expected_total"),
    Case("amount a text", "POST", PLAN, plan_action(expected_total="52.95"), field="expected_total"),
    Case("unknown field", "POST", PLAN, plan_action(discount="100"), field="discount"),
    Case("no modules", "POST", MODULE, {"actions": []}, field="actions"),
    Case("a module twice", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": MODULES["Analytics"], "cycle": c} for c in ("monthly", "yearly")]}, field="actions"),
    Case("cycle of a module", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": MODULES["Onboarding"], "cycle": "monthly"}]}, 409, "action_not_offered"),
    Case("one of two unknown", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": m, "cycle": "monthly"} for m in (MODULES["Analytics"], UNKNOWN)]}, 404, "module_not_found"),
    Case("one of two not offered", "POST", MODULE, {"actions": [{"action": "make_invoice", "module_id": m, "cycle": "monthly"} for m in (MODULES["Analytics"], MODULES["Onboarding"])]}, 409, "action_not_offered"),
    Case("a free one and one not offered", "POST", MODULE, {"actions": [{"action": "activate_free", "module_id": MODULES["Analytics"]}, {"action": "make_invoice", "module_id": MODULES["Onboarding"], "cycle": "yearly"}]}, 409, "action_not_offered"),
]  # fmt: skip

CATALOGUE_CASES = [
    Case("price a float", "PUT", "/catalogue", price(unit_price=1.5), field="plans[0].prices[0].unit_price"),
    Case("price an integer", "PUT", "/catalogue", price(unit_price=2), field="plans[0].prices[0].unit_price"),
    Case("price negative", "PUT", "/catalogue", price(unit_price="-1"), field="plans[0].prices[0].unit_price"),
    Case("price huge", "PUT", "/catalogue", price(unit_price="1e999999999"), field="plans[0].prices[0].unit_price"),
    Case("price too fine", "PUT", "/catalogue", price(unit_price="0.00001"), field="plans[0].prices[0].unit_price"),
    Case("price infinite", "PUT", "/catalogue", price(unit_price="Infinity"), field="plans[0].prices[0].unit_price"),
    Case("price not a number", "PUT", "/catalogue", price(unit_price="NaN"), field="plans[0].prices[0].unit_price"),
    Case("price currency", "PUT", "/catalogue", price(currency="chf"), field="plans[0].prices[0].currency"),
    Case("price of an unknown VAT category", "PUT", "/catalogue", price(vat_category="luxury"), field="plans[0].prices[0].vat_category", rule="there is no VAT rate for luxury in CH"),
    Case("price cycle", "PUT", "/catalogue", price(cycle="daily"), field="plans[0].prices[0].cycle"),
    Case("one-time plan", "PUT", "/catalogue", price(cycle="once"), field="plans[0]", rule="one-time"),
    Case("unknown group", "PUT", "/catalogue", catalogue_plan(group_id=UNKNOWN), field="plans[0].group", rule="no plan group"),
    Case("unknown module", "PUT", "/catalogue", catalogue_plan(included_modules=[UNKNOWN]), field="plans[0].included_modules[0]", rule="no module"),
    Case("plan included", "PUT", "/catalogue", catalogue_plan(included_modules=[PLANS["Team"]]), field="plans[0].included_modules[0]", rule="is a plan"),
    Case("unknown feature", "PUT", "/catalogue", catalogue_plan(features={"flying": True}), field="plans[0].features.flying"),
    Case("NUL in a name", "PUT", "/catalogue", catalogue_plan(name=NUL), field="plans[0].name"),
    Case("NUL in a text", "PUT", "/catalogue", catalogue_plan(description=NUL), field="plans[0].description"),
    Case("NUL in a feature", "PUT", "/catalogue", catalogue_plan(features={"reports": NUL})),
    Case("NUL in a translation", "PUT", "/catalogue", catalogue_plan(translations={"de": {"name": NUL}})),
    Case("no name", "PUT", "/catalogue", catalogue_plan(name=""), field="plans[0].name"),
    Case("seats negative", "PUT", "/catalogue", catalogue_plan(max_users=-1), field="plans[0].max_users"),
    Case("seats huge", "PUT", "/catalogue", catalogue_plan(max_users=10**30), field="plans[0].max_users"),
    Case("a plan made a module", "PUT", "/catalogue", {"modules": [{"id": PLANS["Team"], "name": "Team"}]}, field="modules[0].id", rule="is a plan"),
    Case("two of one id", "PUT", "/catalogue", {"modules": [{"id": UNKNOWN, "name": n} for n in "ab"]}, field="modules[1].id", rule="same module"),
]  # fmt: skip

PLAN_PATH = f"/plans/{PLANS['Team']}"
STALE = {"If-Match": '"999"'}
PART_CASES = [
    Case("no group", "POST", "/plans", {"name": "New"}, field="group", rule="required"),
    Case("unknown group", "POST", "/plans", {"name": "New", "group": "nowhere"}, field="group", rule="no plan group"),
    Case("key taken", "POST", "/plans", {"name": "New", "group": "plans", "key": "team"}, 409, "plan_exists"),
    Case("id taken", "POST", "/modules", {"name": "New", "id": MODULES["Archive"]}, 409, "module_exists"),
    Case("id of a plan", "POST", "/modules", {"name": "New", "id": PLANS["Team"]}, field="id", rule="is a plan"),
    Case("feature taken", "POST", "/features", {"key": "api", "label": "API"}, 409, "feature_exists"),
    Case("bad key", "POST", "/plan-groups", {"name": "New", "key": "Not a key"}, field="key"),
    Case("bad country", "POST", "/plan-groups", {"name": "New", "country": "Switzerland"}, field="country"),
    Case("bad language", "POST", "/features", {"key": "x", "label": "X", "translations": {"deu": {"label": "X"}}}),
    Case("unknown text", "POST", "/modules", {"name": "X", "translations": {"de": {"title": "X"}}}, field="translations.de.title"),
    Case("a module in a module", "POST", "/modules", {"name": "X", "included_modules": [MODULES["Archive"]]}, field="included_modules"),
    Case("a number for on or off", "POST", "/modules", {"name": "X", "features": {"api": 1}}),
    Case("unknown feature", "PATCH", PLAN_PATH, {"features": {"flying": True}}, field="features.flying"),
    Case("nothing to change", "PATCH", PLAN_PATH, {}, field="body"),
    Case("version as a field", "PATCH", PLAN_PATH, {"version": 3}, field="version"),
    Case("name taken away", "PATCH", PLAN_PATH, {"name": ""}, field="name"),
    Case("group taken away", "PATCH", PLAN_PATH, {"group": None}, field="group"),
    Case("another id", "PUT", PLAN_PATH, {"id": UNKNOWN, "name": "Team", "group": "plans"}, field="id", rule="path"),
    Case("another key", "PUT", "/features/api", {"key": "apis", "label": "API"}, field="key", rule="path"),
    Case("price twice", "PATCH", PLAN_PATH, {"prices": [{"currency": "CHF", "cycle": "yearly", "unit_price": p} for p in "12"]}, rule="one entry"),
    Case("price too fine", "PATCH", PLAN_PATH, {"prices": [{"currency": "CHF", "cycle": "yearly", "unit_price": "1.00001"}]}, field="prices[0].unit_price"),
    Case("stale plan", "PATCH", PLAN_PATH, {"max_users": 1}, 412, "version_changed", headers=STALE),
    Case("stale module", "DELETE", f"/modules/{MODULES['Archive']}", None, 412, "version_changed", headers=STALE),
    Case("stale feature", "PUT", "/features/api", {"key": "api", "label": "X"}, 412, "version_changed", headers=STALE),
    Case("stale catalogue", "PUT", "/catalogue", {"plans": []}, 412, "version_changed", headers=STALE),
    Case("no ETag", "PATCH", PLAN_PATH, {"max_users": 1}, field="If-Match", headers={"If-Match": "latest"}),
    Case("unknown plan", "PATCH", "/plans/{unknown}", {"max_users": 1}, 404, "plan_not_found"),
    Case("a module as a plan", "GET", f"/plans/{MODULES['Archive']}", None, 404, "plan_not_found"),
    Case("archive an unknown one", "POST", "/modules/{unknown}/archive", None, 404, "module_not_found"),
    Case("delete a booked plan", "DELETE", PLAN_PATH, None, 409, "product_booked"),
    Case("delete an included module", "DELETE", f"/modules/{MODULES['Archive']}", None, 409, "module_in_use"),
    Case("delete a used feature", "DELETE", "/features/api", None, 409, "feature_in_use"),
    Case("delete a used group", "DELETE", f"/plan-groups/{GROUP}", None, 409, "group_in_use"),
    Case("file as a form", "POST", "/catalogue/import", None, field="Content-Type", content=b"plans: []", headers={"content-type": "text/plain"}),
    *(
        Case(name, "POST", "/catalogue/import?dry_run=false", None, field=field, rule=rule, content=content, headers={"content-type": "application/yaml"})
        for name, content, field, rule in (
            ("file with aliases", b"groups: &g []\nplans: *g", "groups", "(line 1)"),
            ("file with a key twice", b"plans: []\nplans: []", "plans", "twice (line 2)"),
            ("file with a wrong group", b"plans:\n- key: x\n  name: X\n  group: y", "plans[0].group", "(line 4)"),
            ("file with a wrong type", b"plans:\n- key: x\n  name: [X]\n  group: plans", "plans[0].name", "(line 3)"),
            ("file with an unknown field", b"plans: []\ncolours: red", "colours", "(line 2)"),
            ("file that is none", b"\x00\x01\x02", "file", "must be YAML"),
            ("file with a NUL", b'modules: [{key: x, name: "a\\0b"}]', "modules[0].name", "NUL"),
        )
    ),
]  # fmt: skip

SELLER_CASES = [
    Case("unknown zone", "PUT", "/settings/seller", seller(time_zone="Mars/Olympus"), field="time_zone"),
    Case("rate a float", "PUT", "/settings/seller", seller(vat_rates=[{"country": "CH", "category": "standard", "percent": 8.1, "valid_from": "2024-01-01"}]), field="vat_rates[0].percent"),
    Case("rate over 100", "PUT", "/settings/seller", seller(vat_rates=[{"country": "CH", "category": "standard", "percent": "101", "valid_from": "2024-01-01"}]), field="vat_rates[0].percent"),
    Case("rates overlap", "PUT", "/settings/seller", seller(vat_rates=[{"country": "CH", "category": "standard", "percent": "8", "valid_from": d} for d in ("2024-01-01", "2025-01-01")]), field="vat_rates[1]", rule="overlap"),
    Case("no day", "PUT", "/settings/seller", seller(vat_rates=[{"country": "CH", "category": "standard", "percent": "8", "valid_from": "2025-02-29"}]), field="vat_rates[0].valid_from"),
    Case("registered nowhere", "PUT", "/settings/seller", seller(registrations=[]), field="registrations"),
    Case("due in years", "PUT", "/settings/seller", seller(due_days=10**18), field="due_days"),
    Case("due by halves", "PUT", "/settings/seller", seller(due_days=1.5), field="due_days"),
    Case("rounding currency", "PUT", "/settings/seller", seller(rounding_minor={"CHX": 5})),
    Case("rounding zero", "PUT", "/settings/seller", seller(rounding_minor={"CHF": 0}), field="rounding_minor.CHF"),
    Case("NUL", "PUT", "/settings/seller", seller(footer=NUL), field="footer"),
    # It is the sender of all mails.
    Case("no e-mail address", "PUT", "/settings/seller", seller(email="nobody"), field="email"),
    Case("rate backwards", "PUT", "/settings/seller", seller(vat_rates=[{"country": "CH", "category": "standard", "percent": "8", "valid_from": "2025-01-01", "valid_to": "2025-01-01"}]), field="vat_rates[0].valid_to", rule="after"),
    Case("registered twice", "PUT", "/settings/seller", seller(registrations=["CH", "CH"]), field="registrations", rule="once"),
    Case("no IBAN", "PUT", "/settings/seller", seller(iban="CH9300762011623852958"), field="iban", rule="IBAN"),
    Case("an IBAN of markup", "PUT", "/settings/seller", seller(iban="<script>"), field="iban", rule="IBAN"),
    Case("colour by name", "PUT", "/settings/seller", seller(brand_color="red; x: y"), field="brand_color"),
    Case("one prefix for both", "PUT", "/settings/seller", seller(invoice_numbers={"prefix": "CN"}), field="credit_note_numbers.prefix", rule="differ"),
    Case("prefix in small letters", "PUT", "/settings/seller", seller(invoice_numbers={"prefix": "inv"}), field="invoice_numbers.prefix"),
    Case("prefix with a dash", "PUT", "/settings/seller", seller(invoice_numbers={"prefix": "INV-2026"}), field="invoice_numbers.prefix"),
    Case("start at zero", "PUT", "/settings/seller", seller(invoice_numbers={"prefix": "INV", "start": 0}), field="invoice_numbers.start"),
    Case("send with more", "POST", "/invoices/{unknown}/send", {"to": "me@example.com"}, field="to"),
    Case("send perhaps", "POST", "/invoices/{unknown}/send", {"finalize": "perhaps"}, field="finalize"),
    Case("no credit note", "GET", "/credit-notes/{unknown}/pdf", None, 404, "credit_note_not_found"),
    Case("no such mails", "PUT", "/settings/mails", {"invoice": True, "credit_note": True, "cancellation": True, "sms": True}, field="sms"),
    Case("no company", "PUT", "/settings/seller", seller(company_name=""), field="company_name"),
    Case("unknown field", "PUT", "/settings/seller", seller(logo="x"), field="logo"),
]  # fmt: skip

PAYMENT_CASES = [
    Case("another currency", "POST", PAY, money("52.95", "EUR"), field="amount.currency", rule="CHF"),
    Case("unknown currency", "POST", PAY, money("52.95", "CHX"), field="amount"),
    Case("zero", "POST", PAY, money("0.00"), field="amount.amount", rule="greater than 0"),
    Case("negative", "POST", PAY, money("-1.00"), field="amount.amount", rule="greater than 0"),
    Case("huge", "POST", PAY, money("9" * 15), field="amount"),
    Case("endless", "POST", PAY, money("9" * 5000), field="amount"),
    Case("a float", "POST", PAY, money(52.95), field="amount"),
    Case("an integer", "POST", PAY, money(52), field="amount"),
    Case("an exponent", "POST", PAY, money("5e1"), field="amount"),
    Case("a comma", "POST", PAY, money("52,95"), field="amount"),
    Case("three decimals", "POST", PAY, money("1.005"), field="amount"),
    Case("other digits", "POST", PAY, money("\u0665\u0662"), field="amount"),
    Case("NUL in the amount", "POST", PAY, money("1\0"), field="amount.amount"),
    Case("NUL in the currency", "POST", PAY, money("1", "CH\0"), field="amount.currency"),
    Case("a plain text", "POST", PAY, {"amount": "52.95"}, field="amount"),
    Case("null", "POST", PAY, {"amount": None}, field="amount"),
    Case("more in the amount", "POST", PAY, {"amount": {"amount": "1", "currency": "CHF", "x": 1}}, field="amount"),
    Case("nothing", "POST", PAY, {}, field="amount", rule="required"),
    Case("in the future", "POST", PAY, money("1.00") | {"received_on": TOMORROW}, field="received_on", rule="future"),
    Case("no date", "POST", PAY, money("1.00") | {"received_on": "2026-02-30"}, field="received_on"),
    Case("a date of year 10000", "POST", PAY, money("1.00") | {"received_on": "10000-01-01"}, field="received_on"),
    Case("unknown method", "POST", PAY, money("1.00") | {"method": "shells"}, field="method"),
    Case("oversize reference", "POST", PAY, money("1.00") | {"reference": "x" * 141}, field="reference"),
    Case("NUL in the reference", "POST", PAY, money("1.00") | {"reference": NUL}, field="reference"),
    Case("unknown field", "POST", PAY, money("1.00") | {"state": "paid"}, field="state"),
    Case("for a void invoice", "POST", "/invoices/{void}/payments", money("1.00"), 409, "invoice_void"),
    Case("for a paid invoice", "POST", "/invoices/{paid}/payments", money("1.00"), 409, "invoice_paid"),
    Case("for an unknown invoice", "POST", "/invoices/{unknown}/payments", money("1.00"), 404, "invoice_not_found"),
    Case("bad UUID", "POST", "/invoices/INV-2026-0001/payments", money("1.00"), field="invoice_id"),
    Case("void a void one", "POST", "/invoices/{void}/void", None, 409, "invoice_void"),
    Case("void a paid one", "POST", "/invoices/{paid}/void", None, 409, "invoice_paid"),
    Case("void an unknown one", "POST", "/invoices/{unknown}/void", None, 404, "invoice_not_found"),
    Case("credit more than there is", "POST", CREDIT, credit(money("49.01")), field="lines[0].amount.amount", rule="49.00"),
    Case("credit a negative amount", "POST", CREDIT, credit(money("-1.00")), field="lines[0].amount.amount"),
    Case("credit in another currency", "POST", CREDIT, credit(money("1.00", "EUR")), field="lines[0].amount.currency"),
    Case("credit no line", "POST", CREDIT, {"lines": []}, field="lines"),
    Case("credit a line that is not there", "POST", CREDIT, credit({"position": 2}), field="lines[0].position"),
    Case("credit a huge position", "POST", CREDIT, credit({"position": 10**30}), field="lines[0].position"),
    Case("credit a void one", "POST", "/invoices/{void}/credit-notes", {}, 409, "invoice_void"),
    Case("credit an unknown one", "POST", "/invoices/{unknown}/credit-notes", {}, 404, "invoice_not_found"),
    Case("NUL in a reason", "POST", CREDIT, {"reason": "\0"}, field="reason"),
    Case("reverse an unknown payment", "POST", "/payments/{unknown}/reverse", {"reason": "x"}, 404, "payment_not_found"),
    Case("reverse for no reason", "POST", "/payments/{unknown}/reverse", {"reason": ""}, field="reason"),
    Case("refund nothing", "POST", REFUND, money("0.00"), field="amount.amount", rule="greater than 0"),
    Case("refund what is not there", "POST", REFUND, money("0.01"), 409, "balance_too_low"),
    Case("refund an unknown customer", "POST", "/customers/{unknown}/refunds", money("1.00"), 404, "customer_not_found"),
]  # fmt: skip


async def ask(system: System, world: World, case: Case) -> httpx.Response:
    content, headers = case.content, dict(case.headers or {})
    if content is None and case.body is not None:
        content = json.dumps(case.body).encode()
    if content is not None:
        headers.setdefault("content-type", "application/json")
    path = world.path(case.path)
    return await system.api.request(case.method, path, content=content, headers=headers)


async def refused(system: System, world: World, case: Case) -> None:
    async with world.watch.nothing_changes():
        answer = await ask(system, world, case)
    assert answer.status_code == case.status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told = answer.json()
    assert told["status"] == case.status
    assert told["type"] == f"urn:kontor:problem:{case.code}"
    assert told["title"]
    assert told["detail"]
    assert case.detail in told["detail"]
    if case.status == 422:
        assert all(error["rule"] for error in told["errors"])
    if case.field:
        errors = {error["field"]: error["rule"] for error in told["errors"]}
        assert case.field in errors
        assert case.rule in errors[case.field]


def cases(group: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in group])


@cases(CUSTOMER_CASES)
async def test_a_bad_customer_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(USER_CASES)
async def test_a_bad_user_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(EXCHANGE_CASES)
async def test_a_bad_file_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(BODY_CASES)
async def test_a_bad_body_or_path_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(LIST_CASES)
async def test_a_bad_question_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(ACTION_CASES)
async def test_a_bad_action_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(PAYMENT_CASES)
async def test_a_bad_payment_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


async def test_a_large_body_in_pieces_is_refused_too(system: System, world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1_000_000

    headers = {"content-type": "application/json"}
    async with world.watch.nothing_changes():
        answer = await system.api.post(CUSTOMER, content=pieces(), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)


async def test_a_key_used_for_another_request_is_refused(system: System, world: World) -> None:
    key = {"Idempotency-Key": "one key"}
    first = await system.api.post(CUSTOMER, json=customer(), headers=key)
    await system.known(first.json()["id"])
    async with world.watch.nothing_changes():
        other = await system.api.post(CUSTOMER, json=customer(city="Bern"), headers=key)
        elsewhere = await system.api.post("/catalogue", json=customer(), headers=key)
        again = await system.api.post(CUSTOMER, json=customer(), headers=key)
    assert other.status_code == 422
    assert other.headers["content-type"] == PROBLEM
    assert other.json()["type"] == "urn:kontor:problem:idempotency_key_reused"
    assert elsewhere.status_code == 405
    assert (again.status_code, again.content) == (201, first.content)


async def test_a_refused_request_does_not_use_up_its_key(system: System, world: World) -> None:
    key = {"Idempotency-Key": "after a refusal"}
    bad = await system.api.post(CUSTOMER, json=customer(country="XX"), headers=key)
    good = await system.api.post(CUSTOMER, json=customer(), headers=key)
    assert (bad.status_code, good.status_code) == (422, 201)


async def test_of_two_plans_booked_at_once_one_wins(system: System, world: World) -> None:
    for _ in range(5):
        made = await new_customer(system)
        path = f"/customers/{made['id']}/plan-actions"
        plans = (PLANS["Team"], PLANS["Business"], PLANS["Team"], PLANS["Starter"])
        answers = await asyncio.gather(
            *(system.api.post(path, json=plan_action(plan)) for plan in plans)
        )
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
        assert all(a.headers["content-type"] == PROBLEM for a in answers if a.status_code == 409)
        count = "SELECT count(*) FROM subscriptions WHERE customer_id = $1"
        assert await stored(system, "subscriptions", count, made["id"]) == [(1,)]


async def test_of_two_payments_at_once_one_settles(system: System, world: World) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    path = f"/invoices/{invoice['id']}/payments"
    answers = await asyncio.gather(
        *(system.api.post(path, json={"amount": invoice["open_amount"]}) for _ in range(4))
    )
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
    rows = await stored(
        system, "billing", "SELECT amount_minor FROM payments WHERE invoice_id = $1", invoice["id"]
    )
    assert rows == [(5295,)]

    async def entitled() -> bool | None:
        # The last that comes of it: the next test looks whether anything changes anywhere.
        query = "SELECT 1 FROM entitlements WHERE customer_id = $1"
        return bool(await stored(system, "customers", query, made["id"])) or None

    await eventually(entitled, "the entitlements of who paid")


async def save_seller(system: System, **different: Any) -> None:
    """Save settings, and wait until subscriptions knows them."""
    answer = await system.api.put("/settings/seller", json=seller(**different))
    assert answer.is_success, answer.text

    async def known() -> bool | None:
        query = "SELECT max(version) FROM seller_settings"
        return (
            await stored(system, "subscriptions", query) == await stored(system, "billing", query)
        ) or None

    await eventually(known, "the seller's settings in subscriptions")


async def test_a_price_without_a_vat_rate_does_not_break_the_options(
    system: System, world: World
) -> None:
    # One price that cannot be worked out must not hide all the others. It could when it was saved.
    body = price(vat_category="reduced")
    rate = {"country": "CH", "category": "reduced", "percent": "2.6", "valid_from": "2024-01-01"}
    await save_seller(system, vat_rates=[*load("seller")["vat_rates"], rate])
    assert (await system.api.put("/catalogue", json=body)).status_code == 204
    await save_seller(system)
    try:
        options = await system.api.get(world.path("/customers/{bare}/plan-options"))
        answer = await system.api.post(world.path(PLAN), json=plan_action(body["plans"][0]["id"]))
    finally:
        body["plans"][0]["archived"] = True
        assert (await system.api.put("/catalogue", json=body)).status_code == 204
    assert options.status_code == 200, options.text
    assert answer.status_code == 409, answer.text


# Last: settings that are taken by mistake would reach other services while the next test looks.
@cases(SELLER_CASES)
async def test_bad_settings_are_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(CATALOGUE_CASES)
async def test_a_bad_catalogue_is_refused(system: System, world: World, case: Case) -> None:
    await refused(system, world, case)


@cases(PART_CASES)
async def test_a_bad_part_of_the_catalogue_is_refused(
    system: System, world: World, case: Case
) -> None:
    await refused(system, world, case)
