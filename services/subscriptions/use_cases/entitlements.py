"""What a customer may use right now, stored and published whenever it changes."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.entitlements import entitlements
from shared.clock import NewId
from shared.database import Tx
from shared.events.subscriptions import EntitledProduct, EntitlementsChanged
from shared.messaging.outbox import publish

__all__ = ["refresh_entitlements"]


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
    rows, events = [], []
    for customer_id in customer_ids:
        before = stored.get(customer_id)
        granted = entitlements(subscriptions.get(customer_id, ()), catalogue)
        event = EntitlementsChanged(
            customer_id=customer_id,
            version=before.version + 1 if before else 1,
            plan=_entitled(granted.plan) if granted.plan else None,
            modules=tuple(_entitled(module) for module in granted.modules),
            features=granted.features,
            max_users=granted.max_users,
            paid_until=granted.paid_until,
            access_until=granted.access_until,
        )
        data = event.model_dump(mode="json", exclude={"version"})
        if before and before.data == data:
            continue
        rows.append({"customer_id": customer_id, "version": event.version, "data": data})
        events.append(event)
    await repository.save_entitlements(tx, rows)
    await publish(tx, events, now=now, new_id=new_id)


def _entitled(product: tuple[UUID, str, UUID]) -> EntitledProduct:
    return EntitledProduct(id=product[0], name=product[1], subscription_id=product[2])
