"""The product's workers: as processes that can be killed, or inside the test."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from deploy.services import SERVICES
from shared.running import run_worker
from shared.worker import Worker
from tests.system import System, eventually

__all__ = ["SECONDS", "Fleet", "WorkerProcess", "meanwhile", "seeded", "working"]

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("KONTOR_FAULT_SECONDS", "8"))
"""How long load and faults last together; the long form of a test is a larger number."""
_SEED = os.environ.get("KONTOR_FAULT_SEED", "1")
_LIMIT_S = 60.0


def seeded(name: str) -> random.Random:
    """Chance that is the same in every run, until `KONTOR_FAULT_SEED` changes it."""
    return random.Random(f"{name} {_SEED}")  # noqa: S311 - chooses faults, keeps no secret


@dataclass(eq=False)
class WorkerProcess:
    """`failpoint` is where it dies by itself, see `shared.failpoints`."""

    name: str
    log: Path
    failpoint: str
    pid: int = 0
    code: int | None = None
    born: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failed(self) -> bool:
        """Whether the failpoint has killed it."""
        return bool(self.failpoint) and self.code == -signal.SIGKILL

    def ports(self, server: int) -> set[int]:
        """Its own ends of its connections to the server at this port, by which that knows them.

        Two connections to different servers may have the same one.
        """
        connections = psutil.Process(self.pid).net_connections("tcp")
        return {one.laddr.port for one in connections if one.raddr and one.raddr.port == server}

    async def kill(self) -> None:
        """Kill -9 of this process alone: what becomes of its children is its own business."""
        await self._signal(signal.SIGKILL)
        await asyncio.wait_for(self.ended.wait(), _LIMIT_S)

    async def stop(self) -> None:
        await self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended.wait(), _LIMIT_S)
        except TimeoutError:
            await self._signal(signal.SIGKILL)
            raise

    async def died(self, *, limit_s: float = _LIMIT_S) -> None:
        """Wait until the failpoint has killed it."""
        try:
            await asyncio.wait_for(self.ended.wait(), limit_s)
        except TimeoutError as error:
            raise AssertionError(f"{self.name} never came to {self.failpoint}") from error
        assert self.failed, f"{self.name} ended with {self.code}, see {self.log}"

    async def _signal(self, number: signal.Signals) -> None:
        await asyncio.wait_for(self.born.wait(), _LIMIT_S)
        if not self.ended.is_set():
            os.kill(self.pid, number)


class Fleet:
    """Worker processes on a system's servers, databases and topics; ends all of them at exit.

    Args:
        nursery: the module that forks them.
    """

    def __init__(
        self, system: System, folder: Path, *, nursery: str = "tests.faults.nursery"
    ) -> None:
        self.system = system
        self.folder = folder
        self._module = nursery
        self._processes: list[WorkerProcess] = []

    async def start(
        self,
        service: str,
        roles: Iterable[str] = (),
        *,
        failpoint: str = "",
        ready: bytes = b"worker started",
    ) -> WorkerProcess:
        """Start a process and wait until it works; without roles with all of the service's.

        Args:
            service: a service of the product, or a module with a `SERVICE`.
            failpoint: where the process dies; that may be before it is ready.
            ready: what its log says when it works.
        """
        number = len(self._processes)
        process = WorkerProcess(service, self.folder / f"{number}-{service}.log", failpoint)
        process.log.touch()
        self._processes.append(process)
        request = {
            "number": number,
            "service": service,
            "roles": list(roles),
            "environment": {
                **os.environ,
                **self.system.environment,
                "KONTOR_FAILPOINT": failpoint,
            },
            "log": str(process.log),
        }
        self._input.write(json.dumps(request).encode() + b"\n")
        await self._input.drain()

        async def look() -> bool | None:
            started = ready in process.log.read_bytes()
            return process.ended.is_set() or started or None

        await eventually(look, f"{service} to start, see {process.log}", limit_s=_LIMIT_S)
        well = process.failed or not process.ended.is_set()
        assert well, f"{service} ended with {process.code}: {process.log.read_text()[-2000:]}"
        return process

    async def __aenter__(self) -> Self:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=ROOT,
        )
        assert self._nursery.stdin
        self._input = self._nursery.stdin
        self._listening = asyncio.create_task(self._listen())
        return self

    async def _listen(self) -> None:
        assert self._nursery.stdout
        async for line in self._nursery.stdout:
            said = json.loads(line)
            process = self._processes[said["number"]]
            if "pid" in said:
                process.pid = said["pid"]
                process.born.set()
            else:
                process.code = said["code"]
                process.ended.set()

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop()
        finally:
            strays = self.strays()
            self._input.close()
            await self._nursery.wait()
            await self._listening
            for stray in strays:
                with suppress(psutil.NoSuchProcess):
                    stray.kill()

    async def stop(self) -> None:
        """Shut down all processes in order, at the same time."""
        await asyncio.gather(*(process.stop() for process in self._processes))

    def strays(self) -> list[psutil.Process]:
        """Processes that killed workers have left behind."""
        alive = {process.pid for process in self._processes if not process.ended.is_set()}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get("KONTOR_TOPIC_PREFIX") == self.system.prefix
                if ours and not alive & {process.pid, process.ppid()}:
                    found.append(process)
        return found


@asynccontextmanager
async def working(
    system: System,
    services: Iterable[str] = tuple(SERVICES),
    *,
    without: Iterable[str] = (),
    changed: Callable[[Worker], None] = lambda _: None,
) -> AsyncIterator[dict[str, Worker]]:
    """Run workers inside this process, with all roles of their services but `without`."""
    stop = asyncio.Event()
    workers, tasks = {}, []
    for name in services:
        service = SERVICES[name]
        workers[name] = worker = service.build_worker(system.settings(name))
        changed(worker)
        roles = [r for r in ("worker", "relay", *service.jobs) if r not in set(without)]
        tasks.append(asyncio.create_task(run_worker(worker, roles, stop)))
    try:
        yield workers
    finally:
        # Not a task group: after a failure, too, they are to stop in order.
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def meanwhile(*parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block, until it ends; a part that fails makes the block fail."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        yield
        for task in tasks:
            task.cancel()
