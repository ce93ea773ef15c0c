"""What runs of the tests leave on the disk."""

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import run_folder


def test_what_ended_runs_left_is_deleted_and_what_running_ones_use_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"run-{ended.pid}-x"
    used = tmp_path / f"run-{os.getppid()}-x"
    for folder in (left, used):
        (folder / "postgres").mkdir(parents=True)

    mine = run_folder(tmp_path)

    assert set(tmp_path.iterdir()) == {used, mine}
