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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".kontor", ".git", ".hypothesis", "*_cache", "__pycache__"
)
_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that somebody could make.

    Attributes:
        number: of the fault test that must notice it.
        edits: file -> (what stands there once, what to put in its place).
        noticed_by: a pattern in the test's output; another failure proves nothing.
    """

    number: int
    name: str
    edits: Mapping[str, tuple[str, str]]
    noticed_by: str


_WRONG = r"\d+ wrong:|waited \d+ s for the|not quiet after \d"

# The replacements that need more than a line.
_SEND_AFTER_COMMIT = """        if rows:
            failpoint("relay.before_commit")
            await self._send(producer, sorted(rows, key=lambda row: row["id"]))
"""
_NEW_ID = """[
                    (k, str(__import__("uuid").uuid4()).encode() if k == "ce_id" else v.encode())
                    for k, v in json.loads(row["headers"]).items()
                ]"""
_FORGET = """            await inbox.release(tx, self.name, fresh)
            failpoint("batch.before_commit")
"""
_WHOLE_FIRST = """        for pause_s in self.retry_pauses_s:
            try:
                return await self._commit(messages)
            except Exception:
                await asyncio.sleep(pause_s)
        failed = await self._attempt(messages)
        for pause_s in self.retry_pauses_s:
"""
_SEQUENCE = """_TAKE = text(
    "SELECT setval('numbers', nextval('numbers') + :count - 1) - :count + 1 AS first, "
    "CAST(:today AS date) AS last_date "
    "WHERE CAST(:series AS text) <> '' AND CAST(:year AS integer) > 0"
)
_UNUSED = text(
"""
_HIGHEST = """_TAKE = text(
    "SELECT coalesce(max(right(number, 4)::bigint), 0) + 1 AS first, "
    "CAST(:today AS date) AS last_date FROM invoices WHERE CAST(:count AS integer) > 0 "
    "AND number LIKE CAST(:series AS text) || '-' || CAST(:year AS integer) || '-%'"
)
_UNUSED = text(
"""

FAULTS = (
    Fault(
        1,
        "offsets are acknowledged before the batch is worked on",
        {
            "shared/messaging/consumer.py": (
                "            await processor.process(",
                "            await message.ack()\n            await processor.process(",
            )
        },
        _WRONG,
    ),
    Fault(
        2,
        "the relay deletes and commits before it sends",
        {
            "shared/messaging/relay.py": (
                """            if rows:
                async with asyncio.timeout(_SEND_LIMIT_S):
                    await self._send(producer, sorted(rows, key=lambda row: row["id"]))
                failpoint("relay.before_commit")
""",
                _SEND_AFTER_COMMIT,
            )
        },
        _WRONG,
    ),
    Fault(
        2,
        "the relay gives a message a new id each time it sends it",
        {
            "shared/messaging/relay.py": (
                '[(k, v.encode()) for k, v in json.loads(row["headers"]).items()]',
                _NEW_ID,
            )
        },
        _WRONG,
    ),
    Fault(
        3,
        "the inbox claims everything, handled before or not",
        {"shared/messaging/inbox.py": ("return set(rows.scalars())", "return set(ids)")},
        r"\d handled more than once",
    ),
    Fault(
        8,
        "equal ids within one batch are not noticed",
        {
            "shared/messaging/batch.py": (
                "if m.event_id in fresh and once[m.event_id] is m]",
                "if m.event_id in fresh]",
            )
        },
        r"\d handled more than once",
    ),
    Fault(
        8,
        "the inbox forgets what it has claimed",
        {
            "shared/messaging/batch.py": (
                '            failpoint("batch.before_commit")\n',
                _FORGET,
            )
        },
        r"\d handled more than once",
    ),
    Fault(
        12,
        "a dead letter gets no row",
        {
            "shared/messaging/dead_letters.py": (
                """"state": "dead",
            }
            for message in messages""",
                """"state": "dead",
            }
            for message in messages[:0]""",
            )
        },
        r"v1: dead letters",
    ),
    Fault(
        12,
        "a dead letter is not shown on its topic",
        {
            "shared/messaging/dead_letters.py": (
                """"shard": shard_of(message.key),
            }
            for message in messages""",
                """"shard": shard_of(message.key),
            }
            for message in messages[:0]""",
            )
        },
        r"v1: the topic of dead letters",
    ),
    Fault(
        12,
        "a failing batch is not halved",
        {"shared/messaging/batch.py": ("if len(messages) == 1:", "if messages:")},
        r"v1: dead letters|waited \d+ s for customers|not quiet after \d",
    ),
    Fault(
        12,
        "a failing batch is tried again as a whole before it is halved",
        {
            "shared/messaging/batch.py": (
                """        failed = await self._attempt(messages)
        for pause_s in self.retry_pauses_s:
""",
                _WHOLE_FIRST,
            )
        },
        r"v1: neighbours were held up",
    ),
    Fault(
        12,
        "the key of a record is believed",
        {
            "shared/messaging/message.py": (
                'key=event.key if event else storable(key or b"")',
                'key=storable(key or b"")',
            )
        },
        r"waited \d+ s for the request to be parked",
    ),
    Fault(
        17,
        "the stored answer is not looked up",
        {"shared/idempotency.py": ("    if row is None:\n", "    if True:\n")},
        r"Counter\(\{\d+: |\d requests were worked on",
    ),
    Fault(
        17,
        "the key is not locked",
        {"shared/idempotency.py": ("    if not locked:\n", "    if locked is None:\n")},
        r"Counter\(\{\d+: |\d requests were worked on",
    ),
    Fault(
        18,
        "numbers come from a sequence",
        {
            "services/billing/migrations/0001_billing_first_schema.py": (
                "def upgrade() -> None:\n",
                'def upgrade() -> None:\n    op.execute("CREATE SEQUENCE numbers")\n',
            ),
            "services/billing/repository/invoices.py": ("_TAKE = text(\n", _SEQUENCE),
        },
        r"has gaps: \[",
    ),
    Fault(
        18,
        "a number is the highest one plus 1",
        {"services/billing/repository/invoices.py": ("_TAKE = text(\n", _HIGHEST)},
        r'constraint "uq_invoices_number"|has gaps: \[',
    ),
    Fault(
        18,
        "the invoice date is the day of whoever asks",
        {
            "services/billing/repository/invoices.py": (
                "last_date = greatest(s.last_date, excluded.last_date)",
                "last_date = excluded.last_date",
            )
        },
        r"dates of series [-\w]+ are not in number order",
    ),
)


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
        tests = sorted((copy / "tests/faults").glob(f"test_fault_{fault.number:02}_*.py"))
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
