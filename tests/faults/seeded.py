"""Shows that each fault test can fail: breaks a copy of the source and runs the test on it.

`python -m tests.faults.seeded [number ...]` prints a table and ends with 1 unless every test was
seen failing, and for the reason it is there for.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.mutations import FAULTS, Fault

ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".kontor", ".git", ".hypothesis", "*_cache", "__pycache__"
)
_LIMIT_S = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*", help="fault tests; all when none is given")
    parser.add_argument("--logs", type=Path, help="folder to keep each run's output in")
    options = parser.parse_args()
    chosen = [f for f in FAULTS if not options.numbers or f.number in options.numbers]
    rows = []
    for position, fault in enumerate(chosen, 1):
        _tell(f"[{position}/{len(chosen)}] {fault.number:02} {fault.name} ...")
        started = time.monotonic()
        code, output = run(fault)
        if options.logs:
            options.logs.mkdir(parents=True, exist_ok=True)
            (options.logs / f"{fault.number:02}-{position}.log").write_text(output)
        rows.append((fault, *_verdict(fault, code, output), time.monotonic() - started))
    _tell("\n| test | mutation | seen failing | by | s |\n|---|---|---|---|---|")
    for fault, noticed, words, seconds in rows:
        answer = "yes" if noticed else "NO"
        _tell(f"| {fault.number:02} | {fault.name} | {answer} | {words} | {seconds:.0f} |")
    return 0 if all(noticed for _, noticed, _, _ in rows) else 1


def run(fault: Fault) -> tuple[int, str]:
    """The exit code and output of the fault's test on a tree that has the fault."""
    with TemporaryDirectory(prefix="kontor-seeded-") as scratch:
        copy = Path(scratch).resolve() / "tree"
        shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
        for name, (old, new) in fault.edits.items():
            source = (copy / name).read_text("utf-8")
            if source.count(old) != 1:
                return 2, f"{name} does not have it once: {old!r}"
            (copy / name).write_text(source.replace(old, new), "utf-8")
        # The installed kontor leads to this tree: the copy must come first.
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        imported = _python(copy, environment, "-c", "import shared; print(shared.__file__)")
        if not imported.stdout.startswith(str(copy)):
            return 2, f"the copy is not what is imported: {imported.stdout}"
        names = fault.test or f"test_fault_{fault.number:02}_*.py"
        tests = sorted((copy / "tests/faults").glob(names))
        done = _python(
            copy,
            environment,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *map(str, tests),
        )
        return done.returncode, done.stdout


def _python(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_LIMIT_S,
        check=False,
    )


def _verdict(fault: Fault, code: int, output: str) -> tuple[bool, str]:
    """Whether the test has failed as it should, and its words."""
    found = re.search(fault.noticed_by, output)
    if code == 1 and found:
        line = output[found.start() :].splitlines()
        words = " ".join(line[: 2 if line[0].endswith("wrong:") else 1])
        return True, words.replace("|", " ")[:120]
    if code == 0:
        return False, "the test passes"
    return False, f"pytest ended with {code}: {output.strip().splitlines()[-1:]}"


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
