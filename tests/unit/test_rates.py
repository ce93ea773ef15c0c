import pytest

from shared.errors import TooManyRequests
from shared.rates import Rate


def test_one_more_than_allowed_waits_for_the_next_window() -> None:
    now = 100.0
    rate = Rate("2/minute", clock=lambda: now)
    rate.count("a")
    rate.count("a")
    with pytest.raises(TooManyRequests):
        rate.count("a")
    rate.count("b")
    now += 59
    with pytest.raises(TooManyRequests):
        rate.count("a")
    now += 1
    rate.count("a")


@pytest.mark.parametrize("wrong", ["", "600", "600/day", "/second", "-1/second", "1.5/second"])
def test_a_rate_that_means_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="such as 600/second"):
        Rate(wrong)
