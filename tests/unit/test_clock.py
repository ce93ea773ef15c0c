"""The stepped clock of development, and the commands that step it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.local.development_clock import clock_file
from shared.clock import SteppedClock, clock_of, system_clock

_SECOND = timedelta(seconds=5)


def ahead(clock: SteppedClock) -> timedelta:
    return clock() - datetime.now(UTC)


def test_without_a_file_it_is_the_system_clock(tmp_path: Path) -> None:
    assert abs(ahead(SteppedClock(tmp_path / "clock"))) < _SECOND
    assert clock_of("") is system_clock


def test_every_clock_on_the_file_follows_a_step(tmp_path: Path) -> None:
    mine, others = SteppedClock(tmp_path / "clock"), SteppedClock(tmp_path / "clock")
    assert abs(ahead(others)) < _SECOND
    mine.advance(timedelta(days=30))
    mine.advance(timedelta(hours=1))
    assert abs(ahead(others) - timedelta(days=30, hours=1)) < _SECOND
    with pytest.raises(ValueError, match="forward"):
        mine.advance(timedelta(days=-1))


def test_the_command_steps_and_shows(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["clock", "advance", "2w", "--state", str(tmp_path)]).exit_code == 0
    assert abs(ahead(SteppedClock(clock_file(tmp_path))) - timedelta(weeks=2)) < _SECOND
    assert "14 days, 0:00:00 ahead" in run(app, ["clock", "show", "--state", str(tmp_path)]).stdout


@pytest.mark.parametrize("step", ["", "5", "-1d", "1y", "9999999d", "4000d", "1.5h"])
def test_a_step_that_means_nothing_is_refused(tmp_path: Path, step: str) -> None:
    refused = CliRunner().invoke(app, ["clock", "advance", "--state", str(tmp_path), "--", step])
    assert refused.exit_code == 2
    assert not clock_file(tmp_path).exists()
