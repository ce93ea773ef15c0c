from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.periods import Cycle, Period, first_period, local_date, next_period, start_of_day

DAYS = st.dates(date(1971, 1, 1), date(2037, 12, 31))
ZONES = st.sampled_from(sorted(available_timezones()))


def day(text: str) -> date:
    return date.fromisoformat(text)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def starts(first: str, cycle: Cycle, anchor_day: int, count: int) -> list[str]:
    period = first_period(day(first), cycle, anchor_day)
    found = [first]
    for _ in range(count):
        found.append(period.end.isoformat())
        period = next_period(period, cycle, anchor_day)
    return found


def test_a_period_ends_before_its_end() -> None:
    period = Period(day("2026-01-31"), day("2026-02-28"))
    assert period.days == 28
    assert period.last_day == day("2026-02-27")
    assert period.contains(day("2026-01-31"))
    assert period.contains(day("2026-02-27"))
    assert not period.contains(day("2026-02-28"))
    assert not period.contains(day("2026-01-30"))


@pytest.mark.parametrize("end", ["2026-01-31", "2026-01-30"])
def test_an_empty_period_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="end must be after start"):
        Period(day("2026-01-31"), day(end))


@pytest.mark.parametrize(
    ("cycle", "anchor_day", "expected"),
    [
        ("monthly", 31, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("monthly", 31, ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("monthly", 30, ["2026-01-30", "2026-02-28", "2026-03-30"]),
        ("monthly", 29, ["2027-12-29", "2028-01-29", "2028-02-29", "2028-03-29"]),
        ("monthly", 1, ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"]),
        ("monthly", 31, ["2026-02-28", "2026-03-31"]),
        ("monthly", 28, ["2026-02-28", "2026-03-28"]),
        (
            "yearly",
            29,
            ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"],
        ),
        ("yearly", 28, ["2027-02-28", "2028-02-28"]),
        ("yearly", 31, ["2026-12-31", "2027-12-31"]),
        ("yearly", 29, ["2096-02-29", "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28"]),
    ],
)
def test_periods_keep_their_anchor_day(cycle: Cycle, anchor_day: int, expected: list[str]) -> None:
    assert starts(expected[0], cycle, anchor_day, len(expected) - 1) == expected


def test_the_day_of_the_start_is_the_anchor_unless_given() -> None:
    assert first_period(day("2026-02-28"), "monthly").end == day("2026-03-28")
    assert first_period(day("2026-02-28"), "monthly", 31).end == day("2026-03-31")


def test_an_edited_end_sets_the_anchor_and_the_next_period_starts_there() -> None:
    edited = Period(day("2026-01-31"), day("2026-02-10"))
    assert next_period(edited, "monthly", 10) == Period(day("2026-02-10"), day("2026-03-10"))


def test_a_change_from_yearly_to_monthly_starts_at_the_end_of_the_year() -> None:
    year = first_period(day("2024-02-29"), "yearly")
    assert next_period(year, "monthly", 29) == Period(day("2025-02-28"), day("2025-03-29"))


@pytest.mark.parametrize(
    ("start", "cycle", "anchor_day", "rule"),
    [
        ("2026-01-15", "once", None, "cycle"),
        ("2026-01-15", "weekly", None, "cycle"),
        ("2026-01-15", "monthly", 0, "anchor_day"),
        ("2026-01-15", "monthly", 32, "anchor_day"),
        ("2026-01-15", "monthly", 16, "not on anchor day 16"),
        ("2026-02-27", "monthly", 31, "not on anchor day 31"),
    ],
)
def test_a_period_that_would_drift_or_never_end_is_refused(
    start: str, cycle: Cycle, anchor_day: int | None, rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        first_period(day(start), cycle, anchor_day)
    if anchor_day is not None:
        with pytest.raises(ValueError, match=rule):
            next_period(Period(day("2020-01-01"), day(start)), cycle, anchor_day)


@given(DAYS, st.sampled_from(["monthly", "yearly"]))
def test_ten_years_of_periods_tile_and_never_leave_the_anchor(
    start: date, cycle: Literal["monthly", "yearly"]
) -> None:
    months = 1 if cycle == "monthly" else 12
    periods = [first_period(start, cycle)]
    while len(periods) < 120 // months:
        periods.append(next_period(periods[-1], cycle, start.day))

    assert all(before.end == after.start for before, after in pairwise(periods))
    for count, period in enumerate(periods, 1):
        end = period.end
        assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == count * months
        last_of_month = (end + timedelta(days=1)).month != end.month
        assert end.day == start.day or (end.day < start.day and last_of_month)


@given(
    st.sampled_from([29, 30, 31]),
    st.integers(1971, 2037),
    st.sampled_from(["monthly", "yearly"]),
)
def test_every_day_of_ten_years_lies_in_exactly_one_period_of_a_late_anchor(
    anchor_day: int, year: int, cycle: Cycle
) -> None:
    period = first_period(date(year, 1, anchor_day), cycle, anchor_day)
    begin, covered = period.start, 0
    while period.end < begin.replace(year=year + 10):
        covered += period.days
        assert [period.contains(period.start), period.contains(period.last_day)] == [True, True]
        assert not period.contains(period.end)
        period = next_period(period, cycle, anchor_day)
    assert covered + period.days == (period.end - begin).days
    assert period.end == begin.replace(year=year + 10)


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        ("2026-03-31T21:59:59", "Europe/Zurich", "2026-03-31"),
        ("2026-03-31T22:00:00", "Europe/Zurich", "2026-04-01"),
        ("2026-01-01T04:59:59", "America/New_York", "2025-12-31"),
        ("2026-01-01T10:00:00", "Pacific/Kiritimati", "2026-01-02"),
        ("2026-01-01T00:00:00", "UTC", "2026-01-01"),
    ],
)
def test_an_instant_has_a_day_in_each_zone(moment: str, zone: str, expected: str) -> None:
    assert local_date(instant(moment), zone) == day(expected)


def test_a_naive_instant_has_no_day() -> None:
    with pytest.raises(ValueError, match="aware"):
        local_date(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001 - the naive one under test


@pytest.mark.parametrize("zone", ["", "Mars/Base", "America", "../etc", "/etc/passwd", "x" * 5000])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="zone: must be an IANA"):
        local_date(instant("2026-01-01"), zone)
    with pytest.raises(ValueError, match="zone: must be an IANA"):
        start_of_day(day("2026-01-01"), zone)


@pytest.mark.parametrize(
    ("local_day", "zone", "expected"),
    [
        ("2026-07-01", "Europe/Zurich", "2026-06-30T22:00:00"),
        ("2026-03-29", "Europe/Zurich", "2026-03-28T23:00:00"),
        ("2025-09-07", "America/Santiago", "2025-09-07T04:00:00"),  # 00:00 -> 01:00
        ("2025-04-06", "America/Santiago", "2025-04-06T04:00:00"),  # 24:00 -> 23:00
        ("2025-03-30", "Asia/Beirut", "2025-03-29T22:00:00"),  # 00:00 -> 01:00
        ("2025-04-25", "Africa/Cairo", "2025-04-24T22:00:00"),  # 00:00 -> 01:00
        ("2025-11-02", "America/Havana", "2025-11-02T04:00:00"),  # midnight comes twice
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00"),  # a day left out
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00"),
    ],
)
def test_a_day_starts_at_its_first_existing_instant(
    local_day: str, zone: str, expected: str
) -> None:
    started = start_of_day(day(local_day), zone)
    assert started == instant(expected)
    assert started.tzinfo is UTC


@given(DAYS, ZONES)
def test_no_instant_of_a_day_is_before_its_start(local_day: date, zone: str) -> None:
    started = start_of_day(local_day, zone)
    assert local_date(started, zone) >= local_day
    assert local_date(started - timedelta(seconds=1), zone) < local_day
    assert started < start_of_day(local_day + timedelta(days=2), zone)
