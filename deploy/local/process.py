"""A real server as a child process: start, stop, kill, and start again on its port and data."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil

HOST = "127.0.0.1"
# Below the ephemeral range: a client knocking at a closed ephemeral port can connect to itself.
PORTS = range(20_000, 32_000)
POLL_SECONDS = 0.02
START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 15

Report = Callable[[str, str], None]
"""Gets a server's name and what it does now; called from the threads that start the servers."""

# PR_SET_PDEATHSIG counts the thread that forked as the parent, so every server is forked by this
# one, which lives as long as the interpreter.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class ServerFailedError(Exception):
    """A server ended, or did not get ready in time; the message carries the end of its log."""


def quiet(_name: str, _text: str) -> None:
    """Report nothing."""


class Server(ABC):
    """Data in `state/<name>`, log in `state/logs`, port and pid in `state/run`.

    All methods may be called from any thread, one at a time.
    """

    name: str
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, state: Path, *, report: Report = quiet) -> None:
        state = state.resolve()
        self.folder = state / self.name
        self.log = state / "logs" / f"{self.name}.log"
        self._run = state / "run"
        self._ports: dict[str, int] = {}
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.claim_port(self.name)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailedError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> Self:
        started = time.monotonic()
        for folder in (self.folder, self.log.parent, self._run):
            folder.mkdir(parents=True, exist_ok=True)
        self._stop_leftover()
        self.prepare()
        self._process = _forker.submit(self._spawn).result()
        self._pid_file.write_text(str(self._process.pid))
        self._wait_until_ready()
        self.report(f"ready on {HOST}:{self.port} after {time.monotonic() - started:.1f} s")
        return self

    def stop(self) -> None:
        """Shut down in order, by force after the limit; nothing to do when not running."""
        if self._process is not None:
            _end(self._process.pid, self.stop_signal)
            self._forget()

    def kill(self) -> None:
        """Kill -9, children included, as a power cut would."""
        _kill(self.pid)
        self._forget()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def prepare(self) -> None:  # noqa: B027 - not every server has data
        """Make the data ready for `command`; only the first start has work here."""

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line; it must contain the path of `folder`."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def environment(self) -> dict[str, str]:
        """Variables to add to those of this process."""
        return {}

    @property
    def working_folder(self) -> Path:
        return self.folder

    @property
    def user(self) -> str:
        """The account to run under, empty for the own one."""
        return ""

    def report(self, text: str) -> None:
        self._report(self.name, text)

    def tethered(self, command: list[str]) -> list[str]:
        """`command`, made to end with this process and to run as `user`."""
        tether = str(Path(__file__).with_name("tether.py"))
        ends_by = str(int(self.stop_signal))
        return [sys.executable, "-IS", tether, str(os.getpid()), ends_by, self.user, *command]

    def claim_port(self, name: str) -> int:
        """The port remembered under `name`, a new one if there is none or somebody took it."""
        if name not in self._ports:
            self._ports[name] = _remembered_port(self._run / f"{name}.port")
        return self._ports[name]

    @property
    def _pid_file(self) -> Path:
        return self._run / f"{self.name}.pid"

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own command line
                self.tethered(self.command()),
                cwd=self.working_folder,
                # Java reads paths in the locale's encoding, so C would lose names beyond ASCII.
                env=os.environ | {"LC_ALL": "C.UTF-8"} | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the services; the servers go last
            )

    def _wait_until_ready(self) -> None:
        process = self._process
        if process is None or not wait_until(
            lambda: process.poll() is not None or self.is_ready(), START_LIMIT_SECONDS
        ):
            self.stop()
            raise ServerFailedError(f"{self.name} is not ready: {self._end_of_log()}")
        if process.poll() is not None:
            self._forget()
            raise ServerFailedError(f"{self.name} ended: {self._end_of_log()}")

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"end of {self.log}", *lines])

    def _stop_leftover(self) -> None:
        """Stop the server of a run that was killed and could not do it.

        A pid alone proves nothing: it may belong to somebody else by now.
        """
        with suppress(FileNotFoundError, ValueError):
            pid = int(self._pid_file.read_text())
            if self.owns(pid):
                self.report(f"stopping process {pid}, left over from an earlier run")
                _end(pid, self.stop_signal)

    def owns(self, pid: int) -> bool:
        """Whether this process serves this folder; False when that cannot be told."""
        try:
            return any(str(self.folder) in part for part in psutil.Process(pid).cmdline())
        except psutil.Error:
            return False

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait(STOP_LIMIT_SECONDS)
        self._process = None
        self._pid_file.unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], limit_seconds: float) -> bool:
    """Poll until `condition` holds; False when the limit came first."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(pid: int, stop_signal: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.send_signal(stop_signal)
        if not wait_until(lambda: _is_gone(process), STOP_LIMIT_SECONDS):
            _kill(pid)


def _kill(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        doomed = [process, *process.children(recursive=True)]
        for one in doomed:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        wait_until(lambda: all(map(_is_gone, doomed)), STOP_LIMIT_SECONDS)


def _is_gone(process: psutil.Process) -> bool:
    # A zombie holds no port, file or memory; in a container it may never be reaped.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _remembered_port(file: Path) -> int:
    with suppress(FileNotFoundError, ValueError):
        port = int(file.read_text())
        if is_free(port):
            return port
    file.parent.mkdir(parents=True, exist_ok=True)
    port = next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))
    file.write_text(str(port))
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections of an earlier run in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
