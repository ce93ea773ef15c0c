"""Every page of the console, by a name, with something to see on it."""

from typing import Any

from deploy.local.seed import load
from tests.e2e.browser import Stack

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


def _story_customer(api: Any) -> str:
    """The one the story was played with: it has a plan, modules and invoices."""
    found = api.get("/customers", params={"sort": "-created"}).raise_for_status().json()
    return str(next(c["id"] for c in found["items"] if c["company_name"] == "Musterhotel AG"))


def places(stack: Stack) -> dict[str, str]:
    """Name -> path, of every page there is to look at."""
    starter = next(plan["id"] for plan in load("catalogue")["plans"] if plan["name"] == "Starter")
    with stack.api() as api:
        customer = _story_customer(api)
        invoices = api.get("/invoices", params={"customer_id": customer}).json()["items"]
        waiting = next(i["id"] for i in invoices if i["state"] == "open")
        paid = next(i["id"] for i in invoices if i["state"] == "paid")
        user = api.get(f"/customers/{customer}/users").json()["items"][0]["id"]
        newest = api.get("/customers", params={"search": "Petra Privat"}).json()["items"][0]["id"]
        operator = api.get("/operators").json()["items"][0]["id"]
        client = api.get("/clients").json()["items"][0]["id"]
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
        "history": f"{base}/history",
        "freeze": f"{base}/ask/freeze",
        "book": f"/customers/{newest}/plans/ask?item={starter}:make_invoice:monthly",
        "invoices": "/invoices",
        "invoice-waiting": f"/invoices/{waiting}",
        "invoice-paid": f"/invoices/{paid}",
        "pay": f"/invoices/{waiting}/pay",
        "void": f"/invoices/{waiting}/void",
        "catalogue": "/catalogue",
        "plan": f"/catalogue/products/plans/{starter}",
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
