"""A failpoint does nothing unless it is armed, and then exactly once."""

import os
import signal
import subprocess
import sys

import pytest

from shared import failpoints
from shared.failpoints import FailpointReached, failpoint


def arm(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.setattr(failpoints, "_ARMED", failpoints._armed(value))
    monkeypatch.setattr(failpoints, "_passed", 0)


def passings(name: str, times: int) -> list[int]:
    """At which passings it was reached."""
    reached = []
    for passing in range(1, times + 1):
        try:
            failpoint(name)
        except FailpointReached:
            reached.append(passing)
    return reached


@pytest.mark.parametrize(
    ("value", "armed"),
    [
        (None, None),
        ("", None),
        ("relay.after_send", ("relay.after_send", "kill", 1)),
        ("relay.after_send@3", ("relay.after_send", "kill", 3)),
        ("relay.after_send=raise", ("relay.after_send", "raise", 1)),
        ("relay.after_send=raise@7", ("relay.after_send", "raise", 7)),
    ],
)
def test_the_environment_says_where_how_and_when(
    value: str | None, armed: tuple[str, str, int] | None
) -> None:
    assert failpoints._armed(value) == armed


def test_in_production_nothing_is_armed() -> None:
    assert failpoints._ARMED is None
    assert passings("batch.before_commit", 3) == []


def test_it_raises_once(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "here=raise")

    with pytest.raises(FailpointReached, match="here"):
        failpoint("here")
    assert passings("here", 4) == []


def test_it_raises_at_the_passing_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "here=raise@3")

    assert passings("elsewhere", 5) == []
    assert passings("here", 5) == [3]


@pytest.mark.parametrize(
    ("armed", "code", "printed"),
    [("here", -signal.SIGKILL, "1"), ("here@2", -signal.SIGKILL, "1 2"), ("there", 0, "1 2 3 end")],
)
def test_it_kills_the_process_at_that_very_place(armed: str, code: int, printed: str) -> None:
    program = (
        "from shared.failpoints import failpoint\n"
        "for n in (1, 2, 3):\n"
        "    print(n, flush=True)\n"
        "    failpoint('here')\n"
        "print('end')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KONTOR_FAILPOINT": armed},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.split()) == (code, printed.split())
