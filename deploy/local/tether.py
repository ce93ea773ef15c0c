"""Replaces itself by a server that dies with the process that asked for it.

Run as a script, without site packages, because it must cost milliseconds. A `preexec_fn` would do
the same in less text, but is unsafe in a process with threads.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def _drop_root(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def main(parent_pid: int, death_signal: int, user: str, command: list[str]) -> None:
    if user:
        _drop_root(user)
    # After the change of user, which clears the setting. Elsewhere than on Linux a server outlives
    # a killed parent; the next start finds it and stops it.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:  # it died before the line above could matter
        sys.exit(f"parent {parent_pid} is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
