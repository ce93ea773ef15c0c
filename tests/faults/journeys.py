"""Load on the paid path: customers who book, are invoiced, and pay, wholly, partly or not at all.

What the API has answered with 2xx is a promise; `Journeys.promised` collects it for the oracle.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self
from uuid import uuid4

import asyncpg

from shared.money import Money
from tests.builders import MODULES, PLANS, customer
from tests.provider import Message, PaymentProvider
from tests.system import System, eventually

__all__ = ["Ending", "Journeys"]

Ending = Literal[
    "paid",
    "paid in parts",
    "paid too much",
    "paid by a provider",
    "paid twice",
    "bounced",
    "corrected and paid",
    "credited unpaid",
    "partly paid",
    "open",
    "void",
    "paid when void",
    "gift",
]
_STATES: dict[Ending, str] = {
    "paid": "active",
    "paid in parts": "active",
    "paid too much": "active",
    "paid by a provider": "active",
    "paid twice": "active",
    "bounced": "active",
    "corrected and paid": "active",
    "credited unpaid": "withdrawn",
    "partly paid": "pending",
    "open": "pending",
    "void": "withdrawn",
    "paid when void": "withdrawn",
    "gift": "active",
}
# Nearly all invoices are paid: that is the path whose promises are many.
_ENDINGS: tuple[Ending, ...] = (
    "paid",
    "paid",
    "paid",
    "paid",
    "paid in parts",
    "paid in parts",
    "paid too much",
    "paid by a provider",
    "paid twice",
    "bounced",
    "corrected and paid",
    "credited unpaid",
    "partly paid",
    "open",
    "void",
    "paid when void",
    "gift",
)
_BY_PROVIDER = {"paid by a provider", "paid twice", "corrected and paid", "paid when void"}
_LIMIT_S = 60.0
_AT_ONCE = 12


class Journeys:
    """Enter it to make journeys.

    Attributes:
        promised: the state each subscription must end in.
        requests: every request for an invoice that a booking has made.
    """

    def __init__(self, system: System, chance: random.Random) -> None:
        self.system = system
        self.promised: dict[str, str] = {}
        self.requests: list[str] = []
        self.domain = f"{system.prefix.strip('.')}.example"
        self._chance = chance
        # However many journeys waited for the same thing, not all of them ask at once.
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._customers = 0

    async def __aenter__(self) -> Self:
        billing = self.system.databases["billing"]
        self._provider = await PaymentProvider.of(self.system)
        self._billing = await asyncpg.create_pool(billing, min_size=1, max_size=2)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._billing.close()

    async def customers(self, count: int) -> list[str]:
        """New customers that all services know, with the seller and the catalogue."""
        await self.system.seeded()
        ids = []
        for _ in range(count):
            self._customers += 1
            body = customer(
                company_name=f"Haus {self._customers}",
                email=f"haus{self._customers}@{self.domain}",
            )
            ids.append((await self.system.post("/customers", body))["id"])
        for service in ("subscriptions", "billing", "notifier"):
            await eventually(
                self._all_known(service, ids), f"customers in {service}", limit_s=_LIMIT_S
            )
        return ids

    def _all_known(self, service: str, ids: list[str]) -> Callable[[], Awaitable[bool | None]]:
        async def look() -> bool | None:
            query = "SELECT count(*) FROM customers WHERE id = ANY($1::uuid[])"
            rows = await self.system.rows(service, query, ids)
            return True if rows[0][0] == len(ids) else None

        return look

    async def book(self, customer_id: str, kind: str, *, gift: bool = False) -> Any:
        """Book a plan, or modules on one invoice."""
        if kind == "plan":
            plan = self._chance.choice(["Starter", "Team", "Business"])
            body: dict[str, Any] = {"plan_id": PLANS[plan], **self._action(gift=gift)}
        else:
            # Not the archive: a plan may include it.
            modules = self._chance.sample(["Analytics", "Onboarding"], self._chance.randint(1, 2))
            actions = [
                {
                    "module_id": MODULES[module],
                    **self._action(gift=gift, once=module != "Analytics"),
                }
                for module in modules
            ]
            body = {"actions": actions}
        booked = await self.system.post(f"/customers/{customer_id}/{kind}-actions", body)
        state = "active" if gift else "pending"
        self.promised |= {subscription["id"]: state for subscription in booked["subscriptions"]}
        if not gift:
            self.requests.append(booked["request_id"])
        return booked

    def _action(self, *, gift: bool, once: bool = False) -> dict[str, Any]:
        if gift:
            return {"action": "activate_free"}
        cycle = "once" if once else self._chance.choice(["monthly", "yearly"])
        return {"action": "make_invoice", "cycle": cycle}

    async def invoice_of(self, booked: Any) -> Any:
        """Wait for the invoice of a booking."""

        async def look() -> str | None:
            query = "SELECT id FROM invoices WHERE request_id = $1"
            found = await self._billing.fetchval(query, booked["request_id"])
            if found is None:
                await asyncio.sleep(0.08)
            return str(found) if found else None

        what = f"the invoice of {booked['request_id']}"
        invoice_id = await eventually(look, what, limit_s=_LIMIT_S)
        async with self._at_once:
            return await self.system.get(f"/invoices/{invoice_id}")

    async def settle(self, booked: Any, ending: Ending) -> None:
        """Do with the booking's invoice what the journey ends with."""
        if ending == "open":
            return
        invoice = await self.invoice_of(booked)
        async with self._at_once:
            await self._end(invoice, ending)
        self.promised |= {s["id"]: _STATES[ending] for s in booked["subscriptions"]}

    async def _end(self, invoice: Any, ending: Ending) -> None:
        path = f"/invoices/{invoice['id']}"
        if ending == "void":
            await self.system.post(f"{path}/void", expect=200)
        elif ending in _BY_PROVIDER:
            await self._settle_by_provider(invoice, ending)
        elif ending == "credited unpaid":
            await self.system.post(f"{path}/credit-notes", {"reason": "by mistake"})
        elif ending == "paid":
            await self.system.post(f"{path}/payments", {"amount": invoice["open_amount"]})
        elif ending == "paid too much":
            # By so little that the customer's next invoice is not paid by it.
            much = Money.from_dict(invoice["open_amount"]) + Money(500, invoice["currency"])
            await self.system.post(f"{path}/payments", {"amount": much.to_dict()})
        elif ending == "bounced":
            whole = {"amount": invoice["open_amount"]}
            payment = (await self.system.post(f"{path}/payments", whole))["payment"]
            reverse = f"/payments/{payment['id']}/reverse"
            await self.system.post(reverse, {"reason": "bounced"}, expect=200)
            await self.system.post(f"{path}/payments", whole)
        else:
            first = {"amount": "1.00", "currency": invoice["currency"]}
            answer = await self.system.post(f"{path}/payments", {"amount": first})
            if ending == "paid in parts":
                rest = answer["invoice"]["open_amount"]
                await self.system.post(f"{path}/payments", {"amount": rest})

    async def _settle_by_provider(self, invoice: Any, ending: Ending) -> None:
        """The money comes by itself, for what was corrected or is void by now, too."""
        path = f"/invoices/{invoice['id']}"
        if ending == "corrected and paid":
            draft = await self.system.post(f"{path}/correct")
            await self.system.post(f"/invoices/{draft['id']}/finalize", expect=200)
        elif ending == "paid when void":
            await self.system.post(f"{path}/void", expect=200)
        amounts = [invoice["open_amount"]]
        if ending == "paid twice":  # by so little that the next invoice is not paid by it
            amounts.append({"amount": "5.00", "currency": invoice["currency"]})
        for amount in amounts:
            message = Message.of(
                "payment.received",
                payment_id=f"pay_{uuid4().hex}",
                amount=amount,
                invoice=invoice["number"],
            )
            for _ in range(2):  # providers do so
                await eventually(self._heard(message), "the provider to be heard", limit_s=_LIMIT_S)

    def _heard(self, message: Message) -> Callable[[], Awaitable[bool | None]]:
        """Providers say it again until they are answered."""

        async def say() -> bool | None:
            answer = await self._provider.send(message)
            assert answer.status_code in {200, 503}, answer.text
            return answer.is_success or None

        return say

    async def travel(self, customer_id: str, kind: str, ending: Ending | None = None) -> None:
        """One journey from booking to its end."""
        chosen: Ending = self._chance.choice(_ENDINGS) if ending is None else ending
        booked = await self.book(customer_id, kind, gift=chosen == "gift")
        if chosen != "gift":
            await self.settle(booked, chosen)

    async def run(self, customers: list[str], *, seconds: float, at_once: int = _AT_ONCE) -> int:
        """Plan and modules of each customer, until the time is over; returns how many."""
        todo = [(customer_id, kind) for kind in ("plan", "module") for customer_id in customers]
        self._chance.shuffle(todo)
        started = time.monotonic()
        allowed = asyncio.Semaphore(at_once)
        taken = 0

        async def one(customer_id: str, kind: str, position: int) -> None:
            nonlocal taken
            async with allowed:
                # Spread over the whole time, however fast this machine is.
                due = started + seconds * position / len(todo)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if time.monotonic() < started + seconds:
                    taken += 1
                    await self.travel(customer_id, kind)

        async with asyncio.TaskGroup() as group:
            for position, (customer_id, kind) in enumerate(todo):
                group.create_task(one(customer_id, kind, position))
        return taken
