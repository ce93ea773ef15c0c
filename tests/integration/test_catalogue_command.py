# ruff: noqa: E501 - tables with one case per line
"""`kontor catalogue`: a file, what it would change, and changing it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from deploy.cli import catalogue as command
from deploy.cli.main import app
from tests.integration.steps import stored
from tests.system import System
from tests.tokens import issuer


class Bridge(httpx.BaseTransport):
    """Leads a command, in a thread of its own, to the services in this process."""

    def __init__(self, system: System, loop: asyncio.AbstractEventLoop) -> None:
        self._system = system
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._handle(request), self._loop).result(60)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.read()
        )
        answer = await self._system._transport.handle_async_request(asked)
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=await answer.aread()
        )


class Shell:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "catalogue.yaml"

    async def run(self, *words: str, typed: str = "") -> Result:
        arguments = ["catalogue", *words]
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=typed))

    def write(self, document: Any) -> str:
        self.file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return str(self.file)


@pytest.fixture
async def shell(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    await system.seeded()
    loop = asyncio.get_running_loop()
    bridge = Bridge(system, loop)

    def client(url: str, state: Path) -> httpx.Client:
        headers = issuer().headers()
        return httpx.Client(transport=bridge, base_url="http://kontor/v1", headers=headers)

    monkeypatch.setattr(command, "gateway_client", client)
    return Shell(tmp_path)


async def test_what_was_exported_has_nothing_to_change(shell: Shell) -> None:
    exported = await shell.run("export")
    path = shell.write(exported.stdout)
    planned = await shell.run("plan", path, "--archive-missing")
    applied = await shell.run("apply", path)
    as_json = await shell.run("export", "--format", "json")

    assert (planned.exit_code, planned.stdout) == (0, "Nothing to change.\n")
    assert (applied.exit_code, applied.stdout) == (0, "Nothing to change.\n")
    assert yaml.safe_load(as_json.stdout) == yaml.safe_load(exported.stdout)


async def test_a_plan_tells_each_difference_and_exits_with_2(system: System, shell: Shell) -> None:
    document = yaml.safe_load((await shell.run("export")).stdout)
    team = next(p for p in document["plans"] if p["key"] == "team")
    team |= {"max_users": 30}
    team["prices"][0]["unit_price"] = "51.00"
    count = "SELECT count(*) FROM audit"
    before = await stored(system, "subscriptions", count)
    planned = await shell.run("plan", shell.write({"plans": [team]}), "--archive-missing")

    assert planned.exit_code == 2
    assert "~ plan team  Team\n    max_users: 20 -> 30\n" in planned.stdout
    assert "CHF monthly: 49.00 net standard -> 51.00 net standard\n" in planned.stdout
    assert "- module archive  Archive\n" in planned.stdout
    assert await stored(system, "subscriptions", count) == before


async def test_it_is_saved_when_somebody_says_yes_and_the_second_time_there_is_nothing_to_do(
    shell: Shell,
) -> None:
    path = shell.write({"features": [{"key": "asked", "label": "Asked"}]})
    refused = await shell.run("apply", path, typed="n\n")
    saved = await shell.run("apply", path, typed="y\n")
    again = await shell.run("apply", path, "--yes")

    assert (refused.exit_code, saved.exit_code, again.exit_code) == (1, 0, 0)
    assert "+ feature asked  Asked" in refused.stdout
    assert "Saved." in saved.stdout
    assert again.stdout.startswith("Nothing to change.")


async def test_what_somebody_else_saved_between_question_and_answer_is_not_overwritten(
    system: System, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shell.write({"features": [{"key": "late", "label": "Late"}]})
    loop = asyncio.get_running_loop()

    def meanwhile(_: str) -> bool:
        document = {"features": [{"key": "late", "label": "Early"}]}
        saving = system.api.put("/catalogue", json=document)
        return asyncio.run_coroutine_threadsafe(saving, loop).result(60).is_success

    monkeypatch.setattr(typer, "confirm", meanwhile)
    result = await shell.run("apply", path)

    assert (result.exit_code, "Somebody changed the catalogue" in result.stderr) == (1, True)
    assert (await system.get("/features/late"))["label"] == "Early"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("plans:\n- key: a\n  name: A\n  group: nowhere\n", "plans[0].group: there is no plan group nowhere (line 4)"),
        ("modules:\n- key: a\n  name: A\n  seats: 3\n", "modules[0].seats: Extra inputs are not permitted (line 4)"),
        ("plans: [", "file: must be YAML"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_file_is_told_with_its_line(
    shell: Shell, content: str, words: str
) -> None:
    for verb in ("plan", "apply"):
        result = await shell.run(verb, shell.write(content))
        assert (result.exit_code, words in result.stderr) == (1, True), result.output


async def test_a_file_that_is_not_there_is_no_difference(shell: Shell) -> None:
    result = await shell.run("plan", "nowhere.yaml")
    assert (result.exit_code, result.stderr) == (1, "nowhere.yaml: No such file or directory\n")
