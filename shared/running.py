"""Running a worker: consumers, the relay, due work, and the eye on all of it."""

import asyncio
from collections.abc import Sequence

import structlog

from shared.asgi import serve
from shared.housekeeping import keep_house
from shared.messaging.consumer import create_broker, subscribe
from shared.messaging.relay import Relay
from shared.messaging.wakeup import PARKED, TIME, WORK
from shared.monitoring import Monitor
from shared.worker import Job, Worker

__all__ = ["run_worker"]

log = structlog.get_logger()


async def run_worker(worker: Worker, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run consumers, relay and jobs until `stop`; a part that fails ends the process."""
    settings, wakeup = worker.settings, worker.wakeup
    broker = create_broker(settings)
    processors = worker.processors() if "worker" in roles else []
    monitor = Monitor(
        worker, [(processor, subscribe(broker, settings, processor)) for processor in processors]
    )
    jobs = [(job, WORK) for role in roles for job in worker.jobs.get(role, ())]
    jobs += [(job, TIME) for role in roles for job in worker.timers.get(role, ())]
    running = [
        wakeup.run(),
        monitor.run(),
        keep_house(worker.database, clock=worker.clock),
        *(wakeup.work(_lasting(worker, p.release_parked), PARKED) for p in processors),
        *(wakeup.work(_lasting(worker, job), kind) for job, kind in jobs),
    ]
    if settings.monitoring_port:
        running.append(
            serve(monitor.app(), settings.api_host, settings.monitoring_port, asyncio.Event())
        )
    if "relay" in roles:
        running.append(Relay(settings, wakeup).run())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in running]
        if processors:
            await broker.start()
        log.info("worker started", roles=list(roles))
        await stop.wait()
        # First no new messages, then the rest: what the last batch left in the outbox is sent
        # while there is time, and waits in its table when there is not.
        await broker.stop()
        for task in tasks:
            task.cancel()
    await worker.close()


def _lasting(worker: Worker, job: Job) -> Job:
    """A job whose failure (a database away, a full disk) is logged and tried again later."""

    async def round_of_work() -> bool:
        try:
            worked = await job()
        except Exception:
            log.exception("due work failed")
            return False
        if worked:
            worker.wakeup.hint()  # it committed: the relay may have something to send
        return worked

    return round_of_work
