"""What time brings, and what follows later than the request that led to it: rounds of `clock`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from services.subscriptions.use_cases import due
from services.subscriptions.use_cases.catalogue_refresh import refresh_changed
from shared.clock import NewId
from shared.database import Tx
from shared.worker import Job, Worker

__all__ = ["rounds"]

_LIMIT: Final = 500
# Each of them with a book of all that is known of it.
_CUSTOMERS_MAX: Final = 200


class _Verb(Protocol):
    async def __call__(self, tx: Tx, *, now: datetime, new_id: NewId, limit: int) -> int: ...


_DUE: Final[tuple[_Verb, ...]] = (
    due.remind_of_trial_end,
    due.apply_scheduled_changes,
    due.end_trials,
    due.end_canceled,
    due.lapse_offers,
)


def rounds(worker: Worker) -> Sequence[Job]:
    """One job per kind of work; each is one transaction, over a bounded number of customers."""

    async def follow_catalogue() -> bool:
        async with worker.database.transaction() as tx:
            return await refresh_changed(tx, _LIMIT, now=worker.clock(), new_id=worker.new_id)

    return [follow_catalogue, *(_job(worker, verb) for verb in _DUE)]


def _job(worker: Worker, verb: _Verb) -> Job:
    async def settle() -> bool:
        async with worker.database.transaction() as tx:
            done = await verb(tx, now=worker.clock(), new_id=worker.new_id, limit=_CUSTOMERS_MAX)
        return done > 0

    return settle
