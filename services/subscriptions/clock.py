"""What time brings, and what follows later than the request that led to it: rounds of `clock`."""

from collections.abc import Sequence

from services.subscriptions.use_cases.catalogue_refresh import refresh_changed
from shared.worker import Job, Worker

__all__ = ["rounds"]

_LIMIT = 500


def rounds(worker: Worker) -> Sequence[Job]:
    """One job per kind of work; each is one transaction, over a bounded number of customers."""

    async def follow_catalogue() -> bool:
        async with worker.database.transaction() as tx:
            return await refresh_changed(tx, _LIMIT, now=worker.clock(), new_id=worker.new_id)

    return [follow_catalogue]
