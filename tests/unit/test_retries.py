"""Failed work is tried again after growing pauses, in UTC, at most an hour apart."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.domain.delivery import ATTEMPTS_MAX
from shared.retries import retry_at

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "pause_s"),
    [
        (1, 2),
        (2, 4),
        (3, 8),
        (10, 1024),
        (11, 2048),
        (12, 3600),
        (13, 3600),
        (21, 3600),
        (10_000, 3600),
    ],
)
def test_the_pause_doubles_up_to_an_hour(attempts: int, pause_s: int) -> None:
    assert retry_at(NOW, attempts) == NOW + timedelta(seconds=pause_s)


def test_the_pause_never_gets_shorter() -> None:
    tries = [retry_at(NOW, attempts) for attempts in range(1, 50)]

    assert tries == sorted(tries)
    assert all(at > NOW for at in tries)


def test_a_mail_is_given_up_after_about_a_day() -> None:
    whole = sum((retry_at(NOW, n) - NOW for n in range(1, ATTEMPTS_MAX)), timedelta())

    assert timedelta(hours=20) < whole < timedelta(hours=28)
