"""Steps of tests about the actions on plans and modules."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.clock import new_id
from shared.events import Event
from shared.events.billing import InvoicedLine, InvoicePaid
from shared.events.subscriptions import (
    INVOICE_REQUESTS,
    SUBSCRIPTIONS,
    InvoiceRequested,
)
from shared.money import Money
from tests.builders import MODULES, PLANS
from tests.integration.steps import (
    database_of,
    in_state,
    invoice_opened,
    new_customer,
    stored,
)
from tests.system import System, eventually

__all__ = [
    "act",
    "asked_of_billing",
    "card",
    "has_paid",
    "history",
    "make_due",
    "offered",
    "opened",
    "payment_of",
    "requested",
    "settled",
    "told",
]


async def act(
    system: System, customer: Any, product: str, action: str, *, expect: int = 201, **more: Any
) -> Any:
    """Take an action on a plan or a module, by its name."""
    dry_run = "?dry_run=true" if more.pop("dry_run", False) else ""
    base = f"/customers/{customer['id']}"
    if product in PLANS:
        body = {"plan_id": PLANS[product], "action": action, **more}
        return await system.post(f"{base}/plan-actions{dry_run}", body, expect=expect)
    one = {"module_id": MODULES[product], "action": action}
    one |= {name: more.pop(name) for name in ("cycle", "start", "end") if name in more}
    body = {"actions": [one], **more}
    return await system.post(f"{base}/module-actions{dry_run}", body, expect=expect)


async def card(system: System, customer: Any, product: str) -> Any:
    kind, ids = ("plan", PLANS) if product in PLANS else ("module", MODULES)
    found = await system.get(f"/customers/{customer['id']}/{kind}-options")
    return next(c for c in found["items"] if c["product_id"] == ids[product])


def offered(found: Any) -> list[str]:
    return [f"{a['action']} {a['cycle'] or ''}".strip() for a in found["actions"]]


async def requested(system: System, request_id: str) -> InvoiceRequested:
    """The request as it is on its topic."""

    async def look() -> InvoiceRequested | None:
        for event in await system.events(INVOICE_REQUESTS):
            if isinstance(event, InvoiceRequested) and str(event.request_id) == request_id:
                return event
        return None

    return await eventually(look, f"request {request_id}")


async def settled(system: System, event: Event) -> None:
    """Send an event and wait until subscriptions has settled it."""
    event_id = str(new_id())
    await system.send(event, event_id=event_id)

    async def look() -> bool | None:
        query = "SELECT 1 FROM inbox WHERE event_id = $1"
        return bool(await stored(system, "subscriptions", query, UUID(event_id))) or None

    await eventually(look, f"{event.TYPE} to be handled")


async def payment_of(system: System, customer: Any, request_id: str, at: datetime) -> InvoicePaid:
    """What billing says when the invoice of a request is paid, at a time of one's choice."""
    request = await requested(system, request_id)
    lines = tuple(
        InvoicedLine(
            position=position,
            title=line.title,
            total=Money(int(line.unit_price * 100), request.currency),
            subscription_id=line.subscription_id,
            request_id=request.request_id,
            basis=line.basis,
            vat_percent=line.vat_percent or Decimal("8.1"),
        )
        for position, line in enumerate(request.lines, 1)
    )
    return InvoicePaid(
        customer_id=customer["id"],
        invoice_id=new_id(),
        version=2,
        number="INV-2031-0001",
        lines=lines,
        settlement=1,
        paid_at=at,
        total=request.expected_total,
    )


async def has_paid(system: System, product: str, cycle: str = "monthly", **who: Any) -> Any:
    """A customer with something that was paid today, and the event that said so."""
    customer = await new_customer(system, **who)
    booked = await act(system, customer, product, "make_invoice", cycle=cycle)
    event = await payment_of(system, customer, booked["request_id"], datetime.now(UTC))
    await settled(system, event)
    (subscription,) = booked["subscriptions"]
    await in_state(system, subscription["id"], "active")
    return customer, subscription["id"], event


async def told(system: System, customer: Any, *types: str) -> list[Event]:
    """Wait until the subscriptions of a customer have told exactly this."""

    async def look() -> list[Event] | None:
        found = [e for e in await system.events(SUBSCRIPTIONS) if e.key == customer["id"]]
        return found if len(found) >= len(types) else None

    found = await eventually(look, f"{types}")
    assert [e.TYPE.removeprefix("subscription.") for e in found] == list(types)
    return found


async def asked_of_billing(system: System, customer: Any, kind: type[Event]) -> list[Any]:
    found = await system.events(INVOICE_REQUESTS)
    return [e for e in found if e.key == customer["id"] and isinstance(e, kind)]


async def make_due(system: System, decision: Any, now: datetime) -> int:
    """Run due work as of `now`; returns how many it was about."""
    async with database_of(system, "subscriptions") as database, database.transaction() as tx:
        # It passes over customers whom a worker has just locked, and here nobody asks again.
        await tx.fetch("SELECT id FROM customers ORDER BY id FOR UPDATE")
        done: int = await decision(tx, now=now, new_id=new_id, limit=1000)
        return done


async def history(system: System, subscription_id: str) -> list[str]:
    found = await system.get(f"/subscriptions/{subscription_id}/history")
    return [entry["event"] for entry in reversed(found["items"])]


def opened(payment: InvoicePaid, lines: tuple[InvoicedLine, ...]) -> Event:
    return invoice_opened(payment.customer_id, invoice_id=payment.invoice_id, lines=lines)
