"""Drawing in processes of their own: the event loop never waits for a PDF."""

import asyncio
import ctypes
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import structlog

from services.billing.documents.model import Document
from services.billing.documents.render import RenderedDocument, render_document

__all__ = ["RenderPool"]

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_DRAWINGS_PER_PROCESS = 2_000  # the typesetter keeps what it has compiled; bound its memory


def _die_with(parent_pid: int) -> None:
    """A killed worker takes its drawing processes along (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the line above could matter
        os._exit(1)


class RenderPool:
    """`render_document` in spawned processes; a pool that lost one is replaced by a new one."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._processes,
            # Spawned, not forked: a fork would copy a running event loop and its connections.
            mp_context=get_context("spawn"),
            initializer=_die_with,
            initargs=(os.getpid(),),
            max_tasks_per_child=_DRAWINGS_PER_PROCESS,
        )

    async def render(self, document: Document) -> RenderedDocument:
        """Draw one document.

        Raises:
            BrokenProcessPool: a process died meanwhile; the next call has a new pool.
        """
        pool = self._pool
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, render_document, document)
        except BrokenProcessPool:
            log.warning("a drawing process died")
            if self._pool is pool:  # the first of those that were waiting
                self._pool = self._new_pool()
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
