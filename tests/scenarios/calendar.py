"""Stories of customers, told by moving the clock and naming every event and every invoice.

Days are written as `01-31`, `+1 01-31` in the year after, where the customer is.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer

from shared.events import topics
from shared.events.billing import INVOICES
from shared.events.subscriptions import SUBSCRIPTIONS
from tests.builders import MODULES, PLANS, customer
from tests.system import System, eventually

__all__ = ["Calendar", "Listener", "listening"]

_ZONE = ZoneInfo("Europe/Zurich")
_NOON = 12
# Told by billing beside what happens to an invoice itself.
_BESIDE = {"invoice.document_stored", "credit_note.issued"}


class Listener:
    """Everything that is told about each customer, in order per topic."""

    def __init__(self) -> None:
        self.told: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        kinds = {f"{t.name}": topics()[t] for t in (SUBSCRIPTIONS, INVOICES)}
        async for record in consumer:
            topic = next(name for name in kinds if record.topic.endswith(name))
            kind = dict(record.headers)["ce_type"].decode()
            event = kinds[topic][kind].model_validate_json(record.value)
            if kind not in _BESIDE:
                self.told[topic, str(event.customer_id)].append(event)


@asynccontextmanager
async def listening(system: System) -> AsyncIterator[Listener]:
    listener = Listener()
    consumer = AIOKafkaConsumer(
        *(f"{system.prefix}{topic.name}" for topic in (SUBSCRIPTIONS, INVOICES)),
        bootstrap_servers=system.servers.kafka_bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    async with consumer:
        task = asyncio.create_task(listener.listen(consumer))
        try:
            yield listener
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class Calendar:
    """One customer, day by day. Each calendar begins in a common year that is still to come."""

    def __init__(self, system: System, listener: Listener) -> None:
        self._system, self._listener = system, listener
        self._seen: dict[str, int] = {SUBSCRIPTIONS.name: 0, INVOICES.name: 0}
        year = system.clock().year + 1
        while year % 4 == 0 or (year + 1) % 4 == 0:  # no leap day in it nor in the year after
            year += 1
        self.year = year
        self.customer: dict[str, Any] = {}

    async def on(self, day: str, hour: int = _NOON) -> None:
        """Wait until it is noon of this day; the customer is new on the first one."""
        years, _, rest = day.rpartition(" ")
        month, number = map(int, rest.split("-"))
        then = datetime(self.year + int(years or 0), month, number, hour, tzinfo=_ZONE)
        self._system.advance(then - self._system.clock())
        if not self.customer:
            self.customer = await self._system.post("/customers", customer())
            await self._system.known(self.customer["id"])

    # -- what people do ------------------------------------------------------------------------

    async def plan(self, action: str, name: str, cycle: str | None = None, **more: Any) -> Any:
        body = {"plan_id": PLANS[name], "action": action, **more}
        return await self._act("plan", body | ({"cycle": cycle} if cycle else {}))

    async def modules(self, action: str, *names: str, cycle: str | None = None) -> Any:
        cycles = {"cycle": cycle} if cycle else {}
        actions = [{"module_id": MODULES[name], "action": action, **cycles} for name in names]
        return await self._act("module", {"actions": actions})

    async def _act(self, kind: str, body: Mapping[str, Any]) -> Any:
        """Look first, then do it: what was previewed is what happens."""
        path = f"/customers/{self.customer['id']}/{kind}-actions"
        preview = await self._system.post(f"{path}?dry_run=true", body)
        done = await self._system.post(path, body)
        for part in ("amount", "credit", "forfeited", "lines", "events", "mails"):
            assert done[part] == preview[part], part
        return done

    async def pay(self, *, expect: int = 201) -> None:
        """Pay what the newest invoice that is open asks for."""
        invoices = await self._invoices()
        invoice = next((i for i in invoices if i["state"] == "open"), invoices[0])
        amount = invoice["open_amount"]
        if invoice["state"] != "open":
            amount = invoice["total"]
        path = f"/invoices/{invoice['id']}/payments"
        await self._system.post(path, {"amount": amount}, expect=expect)

    # -- what comes of it ----------------------------------------------------------------------

    async def tells(self, *expected: str) -> None:
        """Exactly these events of subscriptions have come since the last time."""
        await self._exactly(SUBSCRIPTIONS.name, expected, self._of_subscription)

    async def invoices(self, *expected: str) -> None:
        """Exactly this has happened to invoices since the last time."""
        await self._exactly(INVOICES.name, expected, self._of_invoice)

    async def has(self, plan: str | None, *modules: str, users: int | None = None) -> None:
        """What may be used now."""
        path = f"/customers/{self.customer['id']}/entitlements"

        async def look() -> bool | None:
            found = await self._system.get(path)
            names = found["plan"] and found["plan"]["name"], *(m["name"] for m in found["modules"])
            wanted = users is None or found["max_users"] == users
            return True if names == (plan, *sorted(modules)) and wanted else None

        await eventually(look, f"{plan} and {modules} to be what may be used")

    async def quiet(self) -> None:
        """Nothing has been told that was not expected."""
        await self._settled()
        await self.tells()
        await self.invoices()

    async def _exactly(self, topic: str, expected: tuple[str, ...], words: Any) -> None:
        told = self._listener.told[topic, self.customer["id"]]
        before = self._seen[topic]

        async def look() -> bool | None:
            return True if len(told) - before >= len(expected) else None

        with suppress(AssertionError):  # what did come says more than that something did not
            await eventually(look)
        found = tuple(map(words, told[before:]))
        assert found == expected, f"told {found}, expected {expected}"
        self._seen[topic] = len(told)

    async def _settled(self) -> None:
        """Everything that has been said has been heard: no outbox holds anything."""

        async def look() -> bool | None:
            for service in ("subscriptions", "billing"):
                if await self._system.rows(service, "SELECT 1 FROM outbox LIMIT 1"):
                    return None
            return True

        await eventually(look, "the outboxes to be empty")

    async def _invoices(self) -> list[dict[str, Any]]:
        found = await self._system.get("/invoices", customer_id=self.customer["id"])
        invoices: list[dict[str, Any]] = found["items"]
        return invoices

    # -- in words ------------------------------------------------------------------------------

    def _day(self, day: date) -> str:
        ahead = day.year - self.year
        return f"+{ahead} {day:%m-%d}" if ahead else f"{day:%m-%d}"

    def _of_subscription(self, event: Any) -> str:
        words = [event.TYPE.removeprefix("subscription."), event.product.name]
        if previous := getattr(event, "previous", None):
            words[1] = f"{previous.name} > {words[1]}" if hasattr(previous, "name") else words[1]
        if to := getattr(event, "to", None):
            words[1] += f" > {to.name}"
        if (period := getattr(event, "period", None)) is not None:
            words.append(f"{self._day(period.start)} to {self._day(period.end)}")
        days = (getattr(event, name, None) for name in ("effective_on", "ends_on", "due_date"))
        words += [f"on {self._day(day)}" for day in days if day]
        if forfeited := getattr(event, "forfeited", None):
            words.append(f"forfeits {forfeited.amount}")
        if reason := getattr(event, "reason", ""):
            words.append(f"({reason})")
        return " ".join(words)

    def _of_invoice(self, event: Any) -> str:
        words = [event.TYPE.removeprefix("invoice.")]
        amounts = (getattr(event, name, None) for name in ("total", "credited", "amount"))
        words += [money.amount for money in amounts if money]
        if event.TYPE == "invoice.opened" and event.open_amount != event.total:
            words.append(f"open {event.open_amount.amount}")
        return " ".join(words)
