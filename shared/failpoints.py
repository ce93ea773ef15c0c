"""Named places where a test can make this process die or fail.

`KONTOR_FAILPOINT=<name>[=kill|raise][@<n>]` arms one place: at its n-th passing (default: the
first) the process is killed by SIGKILL, or `FailpointReached` is raised. Unset, which is always
so outside tests, a failpoint is one comparison with None.
"""

import os
import signal

__all__ = ["FailpointReached", "failpoint"]


class FailpointReached(Exception):
    pass


def _armed(value: str | None) -> tuple[str, str, int] | None:
    if not value:
        return None
    place, _, count = value.partition("@")
    name, _, effect = place.partition("=")
    return name, effect or "kill", int(count or 1)


_ARMED = _armed(os.environ.get("KONTOR_FAILPOINT"))
_passed = 0


def failpoint(name: str) -> None:
    if _ARMED is None or _ARMED[0] != name:
        return
    global _passed  # noqa: PLW0603 - counts the passings of this process
    _passed += 1
    if _passed != _ARMED[2]:
        return
    if _ARMED[1] == "raise":
        raise FailpointReached(name)
    os.kill(os.getpid(), signal.SIGKILL)
