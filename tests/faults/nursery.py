"""A process that has everything imported already and forks worker processes on request.

A worker that is killed every second must also be back within a second, which two seconds of
imports would not allow. What is forked runs the same `shared.service.main` as a process started by
command, with an environment, a log and a process id of its own.

Reads requests from standard input, one JSON object per line:
`{"number": ..., "service": ..., "roles": [...], "environment": {...}, "log": ...}`, and answers on
standard output with `{"number": ..., "pid": ...}`, later `{"number": ..., "code": exit code or
-signal}`. A service is one of the product, or a module with a `SERVICE`.
Ends, with all it has started, when its input ends.
"""

import ctypes
import json
import os
import random
import select
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import shared.running  # noqa: F401 - what takes long
from deploy.services import SERVICES
from shared import failpoints
from shared.service import main as run_service

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.02


def _become(request: dict[str, Any], parent: int) -> NoReturn:
    """Turn the forked process into what was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate((null, log, log)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(request["environment"])
        # Read when it was imported, long before this process existed.
        failpoints._ARMED = failpoints._armed(os.environ.get("KONTOR_FAILPOINT"))
        random.seed()
        name = request["service"]
        service = SERVICES[name] if name in SERVICES else import_module(name).SERVICE
        run_service(service, request["roles"])
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _say(**words: int) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _reap(numbers: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _say(number=numbers[ended[0]], code=os.waitstatus_to_exitcode(ended[1]))


def main() -> None:
    assert threading.active_count() == 1, "a fork would take locks along that nobody releases"
    pid, unread = os.getpid(), b""
    numbers: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        if readable:
            received = os.read(sys.stdin.fileno(), 65_536)
            if not received:
                return  # what was started ends with its parent
            *lines, unread = (unread + received).split(b"\n")
            for line in lines:
                request = json.loads(line)
                child = os.fork()
                if child == 0:
                    _become(request, pid)
                numbers[child] = request["number"]
                _say(number=request["number"], pid=child)
        _reap(numbers)


if __name__ == "__main__":
    main()
