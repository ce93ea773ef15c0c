"""`kontor up` as a person runs it: real processes, real servers, from nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pypdf import PdfReader

from deploy.local.process import wait_until

pytestmark = pytest.mark.timeout(400)

_KONTOR = str(Path(sys.executable).with_name("kontor"))
_LIMIT_S = 180


def _start(state: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [_KONTOR, "up", "--state", str(state), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "COLUMNS": "200"},
    )


def _running_in(state: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if str(state) in line and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line)
        except psutil.Error:
            continue
    return found


def test_the_story_plays_twice_on_one_state_and_leaves_nothing_running(tmp_path: Path) -> None:
    for _ in range(2):
        kontor = _start(tmp_path, "--demo", "--once")
        output, _ = kontor.communicate(timeout=_LIMIT_S)
        assert kontor.returncode == 0, output
        for step in (
            "0 token",
            "Console    http",
            "admin@kontor.example",
            "1 customer created",
            "6 plan active",
            "7 both modules",
            "7 unpaid stays",
        ):
            assert step in output, output
        assert _running_in(tmp_path) == []
    documents = sorted((tmp_path / "demo").glob("*.pdf"))
    numbers = [document.stem for document in documents]
    # The second start has found the first one's data: numbers went on.
    assert [number[-4:] for number in numbers] == ["0001", "0004"]
    for number, document in zip(numbers, documents, strict=True):
        assert number in PdfReader(document).pages[0].extract_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_ends_all_it_started(tmp_path: Path, how: signal.Signals) -> None:
    kontor = _start(tmp_path)
    assert kontor.stdout is not None
    lines = []
    for line in kontor.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    else:
        pytest.fail("".join(lines))
    assert len(_running_in(tmp_path)) > len(("kontor", "postgres", "kafka", "mailbox"))
    kontor.send_signal(how)
    kontor.communicate(timeout=60)
    assert wait_until(lambda: not _running_in(tmp_path), 30), _running_in(tmp_path)


def test_a_second_kontor_on_the_same_folder_says_so_and_harms_nothing(tmp_path: Path) -> None:
    first = _start(tmp_path, "--demo", "--once")
    assert wait_until(lambda: (tmp_path / "lock").exists() and bool(_running_in(tmp_path)), 60)
    wait_until(lambda: (tmp_path / "lock").read_text() == str(first.pid), 30)
    second = _start(tmp_path, "--once")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another kontor runs on this folder" in output
    output, _ = first.communicate(timeout=_LIMIT_S)
    assert first.returncode == 0, output
