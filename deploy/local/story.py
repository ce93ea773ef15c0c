"""The main job, played in front of the reader through the public API, each step with its time."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from deploy.local.mailbox import Mail, read_mailbox
from deploy.local.seed import load
from shared.events.subscriptions import ENTITLEMENTS, EntitlementsChanged

__all__ = ["Story", "StoryFailed"]

_LIMIT_S = 30.0

Say = Callable[[str, str, float], None]
"""Gets a step, what came of it, and how many seconds it took."""


class StoryFailed(Exception):
    pass


class Story:
    """Plays the steps in order; `folder` is where mails and PDFs are saved for the reader."""

    def __init__(
        self,
        client: httpx.Client,
        kafka_bootstrap: str,
        mailbox: Path,
        folder: Path,
        say: Say,
    ) -> None:
        self._client = client
        self._bootstrap = kafka_bootstrap
        self._mailbox = mailbox
        self._folder = folder
        self._say = say
        self._started = time.monotonic()

    def play(self) -> None:
        plan_id = next(p["id"] for p in load("catalogue")["plans"] if p["name"] == "Team")
        customer = self.create_customer()
        customer_id = customer["id"]
        amount = self.list_options(customer_id, plan_id)
        invoice = self.book_plan(customer_id, plan_id, amount)
        self.read_mail(invoice)
        self.pay_in_parts(customer_id, invoice)
        self.see_entitlements(customer_id)
        self.book_modules(customer_id)
        self.leave_one_waiting(customer_id)

    def _step(self, name: str, result: str) -> None:
        now = time.monotonic()
        self._say(name, result, now - self._started)
        self._started = time.monotonic()

    def create_customer(self) -> dict[str, Any]:
        customer = self._post("/customers", load("customers")[0])
        self._step(
            "1 customer created",
            f"{customer['number']} {customer['company_name']} {customer['id']}",
        )
        return customer

    def list_options(self, customer_id: str, plan_id: str) -> dict[str, str]:
        cards = self._wait(
            "the customer in subscriptions",
            lambda: self._get_ok(f"/customers/{customer_id}/plan-options"),
        )["items"]
        shown = "; ".join(
            f"{card['name']} "
            + ", ".join(
                f"{a['cycle']} {_money(a['amount'])}" for a in card["actions"] if a["amount"]
            )
            for card in cards
        )
        self._step("2 plan options", shown)
        team = next(card for card in cards if card["product_id"] == plan_id)
        amount: dict[str, str] = next(
            a["amount"] for a in team["actions"] if a["cycle"] == "monthly"
        )
        return amount

    def book_plan(self, customer_id: str, plan_id: str, amount: dict[str, str]) -> dict[str, Any]:
        booked = self._post(
            f"/customers/{customer_id}/plan-actions",
            {
                "action": "make_invoice",
                "plan_id": plan_id,
                "cycle": "monthly",
                "expected_total": amount,
            },
        )
        invoice = self._invoice_of(booked["request_id"], customer_id)
        _expect(invoice["state"] == "open" and invoice["total"] == amount, "an open invoice")
        _expect(self._plan_state(customer_id, plan_id) == "pending", "the plan to wait")
        self._step(
            "3 invoice for monthly cycle",
            f"{invoice['number']} open, {_money(invoice['total'])}, due {invoice['due_date']}; "
            f"request {booked['request_id']}",
        )
        return invoice

    def read_mail(self, invoice: dict[str, Any]) -> None:
        mail = self._wait("the mail", lambda: self._find_mail(invoice["number"]))
        self._folder.mkdir(parents=True, exist_ok=True)
        pdf = next(mail.message.iter_attachments())
        path = self._folder / f"{invoice['number']}.pdf"
        path.write_bytes(pdf.get_content())
        (self._folder / f"{invoice['number']}.eml").write_bytes(mail.path.read_bytes())
        self._step("4 mail with PDF", f"to {mail.message['To']}, saved as {path}")

    def pay_in_parts(self, customer_id: str, invoice: dict[str, Any]) -> None:
        plan_id = next(p["id"] for p in load("catalogue")["plans"] if p["name"] == "Team")
        payments = f"/invoices/{invoice['id']}/payments"
        currency = invoice["total"]["currency"]
        part = self._post(payments, {"amount": {"amount": "10.00", "currency": currency}})
        _expect(part["invoice"]["state"] == "open", "a part payment to leave the invoice open")
        _expect(self._plan_state(customer_id, plan_id) == "pending", "the plan to wait still")
        still_open = part["invoice"]["open_amount"]
        self._step("5 part payment", f"{currency} 10.00, still open {_money(still_open)}")
        paid = self._post(payments, {"amount": still_open, "reference": invoice["number"]})
        _expect(paid["invoice"]["state"] == "paid", "the rest to pay the invoice")
        self._step("5 rest paid", f"{_money(still_open)}, {invoice['number']} is paid")
        card = self._wait(
            "the plan to be active", lambda: self._card_in(customer_id, plan_id, "active")
        )
        period = card["period"]
        self._step(
            "6 plan active by itself", f"{card['name']}, {period['start']} to {period['end']}"
        )

    def see_entitlements(self, customer_id: str) -> None:
        answer = self._get_ok(f"/customers/{customer_id}/entitlements") or {}
        _expect(bool(answer["plan"]), "the API to name the plan")

        def told() -> EntitlementsChanged | None:
            event = asyncio.run(self._newest_entitlements(customer_id))
            return event if event and event.version == answer["version"] else None

        self._wait("the topic to say the same", told)
        self._step(
            "6 entitlements",
            f"API and topic agree: {answer['plan']['name']}, up to {answer['max_users']} users, "
            f"features {answer['features']}",
        )

    def book_modules(self, customer_id: str) -> None:
        modules = {m["name"]: m["id"] for m in load("catalogue")["modules"]}
        booked = self._post(
            f"/customers/{customer_id}/module-actions",
            {
                "actions": [
                    {
                        "action": "make_invoice",
                        "module_id": modules["Analytics"],
                        "cycle": "yearly",
                    },
                    {"action": "make_invoice", "module_id": modules["Onboarding"], "cycle": "once"},
                ]
            },
        )
        invoice = self._invoice_of(booked["request_id"], customer_id)
        self._wait("the mail", lambda: self._find_mail(invoice["number"]))
        self._step(
            "7 two modules, one invoice",
            f"{invoice['number']}, {len(invoice['lines'])} lines, "
            f"{_money(invoice['total'])}, mailed",
        )
        self._post(f"/invoices/{invoice['id']}/payments", {"amount": invoice["total"]})
        both = {s["id"] for s in booked["subscriptions"]}
        entitled = self._wait(
            "both modules to be active",
            lambda: self._entitled_modules(customer_id, both),
        )
        self._step("7 both modules active", ", ".join(m["name"] for m in entitled["modules"]))

    def leave_one_waiting(self, customer_id: str) -> None:
        modules = {m["name"]: m["id"] for m in load("catalogue")["modules"]}
        booked = self._post(
            f"/customers/{customer_id}/module-actions",
            {
                "actions": [
                    {"action": "make_invoice", "module_id": modules["Archive"], "cycle": "monthly"}
                ]
            },
        )
        invoice = self._invoice_of(booked["request_id"], customer_id)
        subscription = self._get_ok(f"/subscriptions/{booked['subscriptions'][0]['id']}")
        _expect(
            subscription is not None and subscription["state"] == "pending",
            "the unpaid booking to wait",
        )
        self._step("7 unpaid stays waiting", f"Archive waits for {invoice['number']}")

    # -- looking -------------------------------------------------------------------------------

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        if answer.is_error:
            raise StoryFailed(f"POST {path}: {answer.status_code} {answer.text}")
        made: dict[str, Any] = answer.json()
        return made

    def _get_ok(self, path: str, **parameters: str) -> dict[str, Any] | None:
        answer = self._client.get(path, params=parameters)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _wait(self, what: str, look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _LIMIT_S
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise StoryFailed(f"waited {_LIMIT_S:.0f} s for {what}")
            time.sleep(0.01)
        return found

    def _invoice_of(self, request_id: str, customer_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            page = self._get_ok("/invoices", customer_id=customer_id)
            items = page["items"] if page else []
            return next((i for i in items if i["request_id"] == request_id), None)

        invoice: dict[str, Any] = self._wait("the invoice", look)
        return invoice

    def _card_in(self, customer_id: str, product_id: str, state: str) -> dict[str, Any] | None:
        cards = self._get_ok(f"/customers/{customer_id}/plan-options")
        items = cards["items"] if cards else []
        return next(
            (c for c in items if (c["product_id"], c["state"]) == (product_id, state)), None
        )

    def _plan_state(self, customer_id: str, plan_id: str) -> str | None:
        cards = self._get_ok(f"/customers/{customer_id}/plan-options")
        items = cards["items"] if cards else []
        return next((c["state"] for c in items if c["product_id"] == plan_id), None)

    def _entitled_modules(self, customer_id: str, wanted: set[str]) -> dict[str, Any] | None:
        entitled = self._get_ok(f"/customers/{customer_id}/entitlements")
        found = {m["subscription_id"] for m in entitled["modules"]} if entitled else set()
        return entitled if wanted <= found else None

    def _find_mail(self, number: str) -> Mail | None:
        mails = read_mailbox(self._mailbox)
        return next((mail for mail in mails if number in mail.message["Subject"]), None)

    async def _newest_entitlements(self, customer_id: str) -> EntitlementsChanged | None:
        topic = ENTITLEMENTS.name
        # Without a group every partition is assigned at once.
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found = None
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        if record.key == customer_id.encode():
                            found = EntitlementsChanged.model_validate_json(record.value)
            return found
        finally:
            await consumer.stop()


def _money(money: dict[str, str]) -> str:
    return f"{money['currency']} {money['amount']}"


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise StoryFailed(f"expected {what}")
