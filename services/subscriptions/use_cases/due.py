"""What time makes due: each claims customers, decides about each, and saves.

Run twice, the second time changes nothing. Each returns for how many customers there was something
to do; as many as the limit means that there may be more.
"""

from datetime import datetime

from services.subscriptions import repository
from services.subscriptions.domain.decisions import due
from services.subscriptions.domain.draft import Draft
from services.subscriptions.use_cases.saving import save
from shared.clock import NewId
from shared.database import Tx

__all__ = [
    "apply_scheduled_changes",
    "end_canceled",
    "end_trials",
    "lapse_offers",
    "remind_of_trial_end",
]

ACTOR = "clock"


async def end_trials(tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int:
    """Trials end on their day, 00:00 where the customer is."""
    return await _settle(tx, "trial", due.end_trials, now=now, new_id=new_id, limit=limit)


async def remind_of_trial_end(tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int:
    """Tell some days before that a trial ends, once."""
    decision = due.remind_of_trial_end
    return await _settle(tx, "reminder", decision, now=now, new_id=new_id, limit=limit)


async def lapse_offers(tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int:
    """Offers lapse days after they were due, changes with the period they were computed for."""
    return await _settle(tx, "offer", due.lapse_offers, now=now, new_id=new_id, limit=limit)


async def apply_scheduled_changes(tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int:
    """Downgrades and the like begin at the end of the period."""
    decision = due.apply_scheduled_changes
    return await _settle(tx, "change", decision, now=now, new_id=new_id, limit=limit)


async def end_canceled(tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int:
    """What was canceled is over at the end of its period."""
    return await _settle(tx, "cancellation", due.end_canceled, now=now, new_id=new_id, limit=limit)


async def _settle(
    tx: Tx,
    kind: repository.DueKind,
    decision: due.Due,
    *,
    now: datetime,
    new_id: NewId,
    limit: int,
) -> int:
    customers = await repository.claim_due_customers(tx, kind, now=now, limit=limit)
    books = await repository.get_books(tx, customers, priced=kind == "change")
    drafts = [Draft(book, now=now, new_id=new_id) for book in books.values()]
    for draft in drafts:
        decision(draft)
    return await save(tx, drafts, actor=ACTOR, now=now, new_id=new_id)
