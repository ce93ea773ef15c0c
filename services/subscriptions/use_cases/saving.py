"""Writes what was decided: the only way by which a subscription changes.

Rows, history, entitlements and events of a decision go together, so that no path forgets one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.subscriptions import repository
from services.subscriptions.domain.draft import Draft, Step
from services.subscriptions.domain.ledger import LedgerPeriod
from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.use_cases.entitlements import save_entitlements
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.events import Event
from shared.messaging.outbox import publish

__all__ = ["facts", "save"]


async def save(
    tx: Tx,
    drafts: Sequence[Draft],
    *,
    actor: str,
    now: datetime,
    new_id: NewId,
    reason: str = "",
    acts: Sequence[Act] = (),
) -> int:
    """Save decisions of different, locked customers; returns how many there was anything in."""
    drafts = [draft for draft in drafts if not draft.nothing]
    if not drafts:
        return 0
    # Everything is read before anything is written: then all of it is one statement.
    stored = await repository.get_entitlements(tx, [d.book.customer.id for d in drafts])
    told: list[Event] = []
    for draft in drafts:
        told += draft.events()
    await _save_rows(tx, drafts, actor=actor, reason=reason, now=now)
    have = {d.book.customer.id: d.subscriptions.values() for d in drafts}
    told += await save_entitlements(tx, have, stored, drafts[0].book.catalogue)
    if acts:
        await record(tx, actor, acts, told, now=now, new_id=new_id)
    else:
        await publish(tx, told, now=now, new_id=new_id)
    return len(drafts)


async def _save_rows(
    tx: Tx, drafts: Sequence[Draft], *, actor: str, reason: str, now: datetime
) -> None:
    subscriptions, offers, trials, history = [], [], [], []
    periods: list[LedgerPeriod] = []
    for draft in drafts:
        customer = draft.book.customer
        new = {step.after.id for step in draft.steps if step.before is None}
        last = {s.after.id: s.after for s in draft.steps if s.before != s.after}
        subscriptions += [(s, customer.time_zone, s.id in new) for s in last.values()]
        known = {(o.request_id, o.subscription_id) for o in draft.book.offers.values()}
        offers += [
            (offer, customer.time_zone, offer.state == "open" and key not in known)
            for key, offer in draft.saved_offers.items()
        ]
        periods += draft.saved_periods.values()
        trials += [(customer.id, product, own) for product, own in draft.trials]
        history += [_entry(step, actor=actor, reason=reason, now=now) for step in draft.steps]
    await repository.save_subscriptions(tx, subscriptions, now=now)
    await repository.save_offers(tx, offers, now=now)
    await repository.save_periods(tx, periods)
    await repository.add_trials(tx, trials, now=now)
    await repository.add_history(tx, history)


def facts(subscription: Subscription) -> dict[str, Any]:
    """What can be seen of a subscription, as JSON."""
    period, scheduled = subscription.period, subscription.scheduled
    found: dict[str, Any] = {
        "state": str(subscription.state),
        "product_id": str(subscription.product_id),
        "term": subscription.term,
        "origin": subscription.origin,
        "cycle": subscription.cycle,
    }
    if period:
        found["period"] = {"start": period.start.isoformat(), "end": period.end.isoformat()}
    if scheduled:
        found["scheduled"] = {
            "product_id": str(scheduled.product_id),
            "cycle": scheduled.cycle,
            "effective_on": scheduled.effective_on.isoformat(),
        }
    return found


def _entry(step: Step, *, actor: str, reason: str, now: datetime) -> dict[str, Any]:
    after = facts(step.after)
    if step.offer:
        after["offer"] = {
            "product_id": str(step.offer.product_id),
            "cycle": step.offer.cycle,
            "request_id": str(step.offer.request_id),
        }
    return {
        "subscription_id": step.after.id,
        "version": step.after.version,
        "at": now,
        "actor": actor,
        "reason": reason or step.reason,
        "event": step.event,
        "before": facts(step.before) if step.before else None,
        "after": after,
    }
