"""What a customer may use right now, stored and published whenever it changes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.entitlements import entitlements
from services.subscriptions.domain.subscription import Subscription
from shared.clock import NewId
from shared.database import Tx
from shared.events.subscriptions import EntitledProduct, EntitlementsChanged
from shared.messaging.outbox import publish

__all__ = ["refresh_entitlements", "save_entitlements"]


async def refresh_entitlements(
    tx: Tx,
    customer_ids: Iterable[UUID],
    *,
    now: datetime,
    new_id: NewId,
    catalogue: Catalogue | None = None,
) -> None:
    """Store and publish the entitlements that have changed. The customers are locked already."""
    customer_ids = list(customer_ids)
    catalogue = catalogue or await repository.get_catalogue(tx, with_prices=False)
    subscriptions = await repository.get_live_subscriptions(tx, customer_ids)
    stored = await repository.get_entitlements(tx, customer_ids)
    have = {customer_id: subscriptions.get(customer_id, ()) for customer_id in stored}
    events = await save_entitlements(tx, have, stored, catalogue)
    await publish(tx, events, now=now, new_id=new_id)


async def save_entitlements(
    tx: Tx,
    subscriptions: Mapping[UUID, Iterable[Subscription]],
    stored: Mapping[UUID, Any],
    catalogue: Catalogue,
) -> list[EntitlementsChanged]:
    """Store those that have changed; returns what to tell of them."""
    rows, events = [], []
    for customer_id, mine in subscriptions.items():
        before = stored[customer_id]
        granted = entitlements(mine, catalogue)
        event = EntitlementsChanged(
            customer_id=customer_id,
            version=before.version + 1,
            plan=_entitled(granted.plan) if granted.plan else None,
            modules=tuple(_entitled(module) for module in granted.modules),
            features=granted.features,
            max_users=granted.max_users,
            over_limit=0 < granted.max_users < before.active_users,
            paid_until=granted.paid_until,
            access_until=granted.access_until,
        )
        data = event.model_dump(mode="json", exclude={"version"})
        if before.data == data or (before.data is None and _grants_nothing(event)):
            continue
        rows.append({"customer_id": customer_id, "version": event.version, "data": data})
        events.append(event)
    await repository.save_entitlements(tx, rows)
    return events


def _grants_nothing(event: EntitlementsChanged) -> bool:
    return not (event.plan or event.modules)


def _entitled(product: tuple[UUID, str, UUID]) -> EntitledProduct:
    return EntitledProduct(id=product[0], name=product[1], subscription_id=product[2])
