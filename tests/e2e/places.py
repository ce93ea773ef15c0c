"""Every page of the console, by a name, with something to see on it."""

from typing import Any
from urllib.parse import urlencode

import httpx

from deploy.local.process import wait_until
from deploy.local.seed import load
from tests.e2e.browser import Stack
from tests.provider import Message

__all__ = ["furnish", "places"]

_PEOPLE = {
    "vera": ("Vera", "Beispiel"),
    "jan": ("Jan", "Muster"),
    "lea": ("Léa", "Modèle"),
    "piera": ("Piera", "Esempio"),
}


def furnish(stack: Stack) -> None:
    """Add what the demo data lacks, so that no page is empty. Doing it twice changes nothing."""
    with stack.api() as api:
        customer = _story_customer(api)
        for mailbox, (first, surname) in _PEOPLE.items():
            names = {"first_name": first, "surname": surname}
            body = {**names, "email": f"{mailbox}@musterhotel.example", "role": "member"}
            api.post(f"/customers/{customer}/users", json=body)
        for name, role in (("Ada Meier", "billing"), ("Sven Beispiel", "support")):
            email = f"{name.split()[0].lower()}@kontor.example"
            api.post("/operators", json={"name": name, "email": email, "role": role})
        _furnish_every_state(api)
        _furnish_invoices(api)


def _furnish_invoices(api: httpx.Client) -> None:
    """By hand: a draft, one that is paid too much in two parts, and money without an invoice."""
    customer = _named(api, "Beispiel Logistik")
    if _invoices(api, customer, "draft"):
        return
    much = _finalised(api, customer, "Onboarding", ("Workshop", "450", "2", "days"))
    part = _finalised(api, customer, "Consulting in October", ("Consulting", "160", "6", "hours"))
    for amount, method in (("300", "bank_transfer"), ("900", "card")):
        _pay(api, much, amount, method)
    note = {"amount": {"amount": "50", "currency": "EUR"}, "note": "To the account they named"}
    api.post(f"/customers/{customer}/refunds", json=note).raise_for_status()
    bounced = _pay(api, part, "500", "bank_transfer")
    reason = {"reason": "Returned by the bank"}
    api.post(f"/payments/{bounced}/reverse", json=reason).raise_for_status()
    _pay(api, part, "200", "bank_transfer")
    lines = [("Consulting", "160", "12.5", "hours"), ("Travel", "84.50", "1", "")]
    _draft(api, customer, "Consulting in November", *lines)
    for number, (amount, named) in enumerate((("480.00", "Order 4711"), ("52.95", "RF18 5390"))):
        money = {"amount": amount, "currency": "EUR"}
        message = Message.of(
            "payment.received", payment_id=f"pay_{number}", amount=money, invoice=named
        )
        api.post("/payment-events/standard", content=message.body, headers=message.headers)


def _draft(api: httpx.Client, customer: str, title: str, *lines: tuple[str, ...]) -> str:
    names = ("title", "unit_price", "quantity", "unit")
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    body = {"customer_id": customer, "title": title, "lines": rows}
    return str(api.post("/invoices", json=body).raise_for_status().json()["id"])


def _finalised(api: httpx.Client, customer: str, title: str, line: tuple[str, ...]) -> str:
    invoice = _draft(api, customer, title, line)
    api.post(f"/invoices/{invoice}/finalize").raise_for_status()
    return invoice


def _pay(api: httpx.Client, invoice: str, amount: str, method: str) -> str:
    body = {"amount": {"amount": amount, "currency": "EUR"}, "method": method, "reference": "4711"}
    answer = api.post(f"/invoices/{invoice}/payments", json=body).raise_for_status()
    return str(answer.json()["payment"]["id"])


def _invoices(api: httpx.Client, customer: str, state: str) -> list[Any]:
    wanted = {"customer_id": customer, "state": state}
    found: list[Any] = api.get("/invoices", params=wanted).raise_for_status().json()["items"]
    return found


def _furnish_every_state(api: httpx.Client) -> None:
    """A plan that is paid with an upgrade beside it, a test, a gift, and a change that waits."""
    customer = _named(api, "Atelier Exemple")
    base = f"/customers/{customer}"
    if _card(api, customer, "plan", "Team")["state"]:
        return
    booked = _act(api, base, "plan", "Team", "make_invoice", cycle="monthly")
    assert wait_until(lambda: bool(_invoice_of(api, customer, booked["request_id"])), 60)
    invoice = _invoice_of(api, customer, booked["request_id"])
    api.post(f"/invoices/{invoice['id']}/payments", json={"amount": invoice["total"]})
    assert wait_until(lambda: _card(api, customer, "plan", "Team")["state"] == "active", 60)
    _act(api, base, "plan", "Business", "upgrade", cycle="yearly")
    _act(api, base, "module", "Analytics", "start_trial")
    _act(api, base, "module", "Onboarding", "activate_free", reason="With the first year")


def _act(api: httpx.Client, base: str, kind: str, product: str, action: str, **more: Any) -> Any:
    reason = {"reason": more.pop("reason")} if "reason" in more else {}
    one = {f"{kind}_id": _ids(kind)[product], "action": action, **more}
    body = {**one, **reason} if kind == "plan" else {"actions": [one], **reason}
    return api.post(f"{base}/{kind}-actions", json=body).raise_for_status().json()


def _card(api: httpx.Client, customer: str, kind: str, product: str) -> Any:
    cards = api.get(f"/customers/{customer}/{kind}-options").raise_for_status().json()["items"]
    return next(card for card in cards if card["product_id"] == _ids(kind)[product])


def _invoice_of(api: httpx.Client, customer: str, request_id: str) -> Any:
    found = api.get("/invoices", params={"customer_id": customer}).json()["items"]
    return next((i for i in found if i["request_id"] == request_id), None)


def _ids(kind: str) -> dict[str, str]:
    return {one["name"]: one["id"] for one in load("catalogue")[f"{kind}s"]}


def _named(api: httpx.Client, name: str) -> str:
    found = api.get("/customers", params={"search": name}).raise_for_status().json()
    return str(found["items"][0]["id"])


def _story_customer(api: Any) -> str:
    """The one the story was played with: it has a plan, modules and invoices."""
    found = api.get("/customers", params={"sort": "-created"}).raise_for_status().json()
    return str(next(c["id"] for c in found["items"] if c["company_name"] == "Musterhotel AG"))


def _lines(api: httpx.Client, invoice: str) -> list[Any]:
    lines: list[Any] = api.get(f"/invoices/{invoice}").raise_for_status().json()["lines"]
    return lines


def places(stack: Stack) -> dict[str, str]:
    """Name -> path, of every page there is to look at."""
    plans = _ids("plan")
    with stack.api() as api:
        customer = _story_customer(api)
        invoices = api.get("/invoices", params={"customer_id": customer}).json()["items"]
        waiting = next(i["id"] for i in invoices if i["state"] == "open")
        paid = next(i["id"] for i in invoices if i["state"] == "paid")
        user = api.get(f"/customers/{customer}/users").json()["items"][0]["id"]
        newest, busy = _named(api, "Petra Privat"), _named(api, "Atelier Exemple")
        operator = api.get("/operators").json()["items"][0]["id"]
        client = api.get("/clients").json()["items"][0]["id"]
        written = _named(api, "Beispiel Logistik")
        draft = _invoices(api, written, "draft")[0]["id"]
        part = _invoices(api, written, "partly_paid")[0]["id"]
        payments = api.get(f"/invoices/{part}/payments").json()["items"]
        received = next(p["id"] for p in payments if not p["reversed_at"])
        arrived = api.get("/unallocated-payments").json()["items"][0]["id"]
        credited = {f"amount.{n['position']}": n["total"]["amount"] for n in _lines(api, paid)}
    base = f"/customers/{customer}"
    return {
        "customers": "/customers",
        "new-customer": "/customers/new",
        "details": base,
        "users": f"{base}/users",
        "user": f"{base}/users/{user}",
        "customer-invoices": f"{base}/invoices",
        "plans": f"{base}/plans",
        "plans-free": f"/customers/{newest}/plans",
        "modules": f"{base}/modules",
        "modules-free": f"/customers/{newest}/modules",
        "plans-busy": f"/customers/{busy}/plans",
        "modules-busy": f"/customers/{busy}/modules",
        "history": f"{base}/history",
        "history-busy": f"/customers/{busy}/history",
        "freeze": f"{base}/ask/freeze",
        "book": f"/customers/{newest}/plans/ask?item={plans['Starter']}:make_invoice:monthly",
        "upgrade": f"{base}/plans/ask?item={plans['Business']}:upgrade:yearly",
        "change": f"{base}/plans/ask?item={plans['Starter']}:change_at_period_end:monthly",
        "period": f"{base}/plans/ask?item={plans['Team']}:edit_period:",
        "cancel": f"{base}/plans/ask?item={plans['Team']}:cancel:",
        "withdraw": f"{base}/plans/ask?item={plans['Team']}:withdraw:",
        "drop": f"/customers/{busy}/plans/ask?item={plans['Team']}:drop_change:",
        "invoices": "/invoices",
        "invoice-waiting": f"/invoices/{waiting}",
        "invoice-paid": f"/invoices/{paid}",
        "pay": f"/invoices/{waiting}/pay",
        "void": f"/invoices/{waiting}/void",
        "new-invoice": f"{base}/invoices/new",
        "draft": f"/invoices/{draft}",
        "draft-editor": f"/invoices/{draft}/edit",
        "finalise": f"/invoices/{draft}/finalize",
        "delete-draft": f"/invoices/{draft}/delete",
        "invoice-partly-paid": f"/invoices/{part}",
        "reverse": f"/invoices/{part}/payments/{received}/reverse",
        "send": f"/invoices/{waiting}/send",
        "correct": f"/invoices/{waiting}/correct",
        "due-date": f"/invoices/{waiting}/due-date",
        "credit": f"/invoices/{waiting}/credit",
        "credit-shown": f"/invoices/{paid}/credit?{urlencode({'go': 'yes', **credited})}",
        "balance-invoices": f"/customers/{written}/invoices",
        "balance": f"/customers/{written}/balance",
        "refund": f"/customers/{written}/refund?currency=EUR",
        "journal": "/invoices/journal",
        "payments": "/payments",
        "assign": f"/payments/{arrived}/assign",
        "give-back": f"/payments/{arrived}/refund",
        "settings": "/settings",
        "catalogue": "/catalogue",
        "plan": f"/catalogue/products/plans/{plans['Starter']}",
        "new-module": "/catalogue/products/modules/new",
        "plan-group": f"/catalogue/parts/groups/{load('catalogue')['groups'][1]['id']}",
        "new-feature": "/catalogue/parts/features/new",
        "upload": "/catalogue/upload",
        "failures": "/failures",
        "operators": "/operators",
        "operator": f"/operators/{operator}",
        "new-operator": "/operators/new",
        "clients": "/clients",
        "new-client": "/clients/new",
        "rotate": f"/clients/{client}/rotate?name=Demo",
        "account": "/account",
        "wrong": "/nothing-here",
    }
