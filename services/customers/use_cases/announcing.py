"""Publishing what has happened to customers and users, and writing down who did it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from services.customers.domain.customer import Customer
from services.customers.domain.user import User
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.events import Event
from shared.events.customers import CustomerErased, CustomerState, UserErased, UserState

__all__ = ["announce", "differing"]


def differing(before: Customer | User, after: Customer | User) -> list[str]:
    """The names of the fields that have changed."""
    was, now_is = asdict(before), asdict(after)
    return sorted(name for name in was if was[name] != now_is[name] and name != "version")


async def announce(
    tx: Tx,
    actor: str,
    events: Sequence[Event],
    *,
    fields: Sequence[str] = (),
    now: datetime,
    new_id: NewId,
) -> None:
    """Publish events and record each as an act of `actor`.

    The audit log is never changed, and an erased person must be forgotten: so it keeps versions and
    the names of `fields` that have changed, never what stood in them.
    """
    acts = [_act(event, fields) for event in events]
    await record(tx, actor, acts, events, now=now, new_id=new_id)


def _act(event: Event, fields: Sequence[str]) -> Act:
    version = event.sequence or 0
    after = {"version": version, **({"changed": list(fields)} if fields else {})}
    before = {"version": version - 1} if version > 1 else None
    match event:
        case UserState() | UserErased():
            return Act(event.TYPE, "user", event.user_id, event.customer_id, before, after)
        case CustomerState() | CustomerErased():
            return Act(event.TYPE, "customer", event.customer_id, event.customer_id, before, after)
    raise TypeError(f"{event.TYPE} is not about a customer or user")
