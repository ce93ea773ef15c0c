"""Billing periods in local dates, and the two conversions between dates and instants."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["Cycle", "Period", "first_period", "local_date", "next_period", "start_of_day"]

Cycle = Literal["monthly", "yearly", "once"]

_MONTHS: Final[Mapping[str, int]] = {"monthly": 1, "yearly": 12}


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open `[start, end)` in local dates; `last_day` is what people are shown.

    Raises:
        ValueError: It would be empty.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError("period: end must be after start")

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)

    def contains(self, day: date) -> bool:
        return self.start <= day < self.end


def first_period(start: date, cycle: Cycle, anchor_day: int | None = None) -> Period:
    """Return the period that begins at `start`.

    It ends on the anchor day (1..31, by default the day of `start`) one or twelve months later,
    or on that month's last day where the month is shorter: 31 Jan -> 28 Feb -> 31 Mar. The anchor
    is kept apart from the period because a clamped date has forgotten it.

    Raises:
        ValueError: The cycle is "once" (it has no periods), the anchor is no day of a month, or
            `start` is not on its anchor, from where periods would drift.
    """
    if cycle not in _MONTHS:
        raise ValueError("cycle: must be monthly or yearly, a one-time booking has no periods")
    anchor = start.day if anchor_day is None else anchor_day
    if not 1 <= anchor <= 31:  # noqa: PLR2004 - the days of a month
        raise ValueError("anchor_day: must be 1 to 31")
    if start != _anchored(start.year, start.month, anchor):
        raise ValueError(f"start: {start} is not on anchor day {anchor}")
    years, month = divmod(start.month - 1 + _MONTHS[cycle], 12)
    return Period(start, _anchored(start.year + years, month + 1, anchor))


def next_period(period: Period, cycle: Cycle, anchor_day: int) -> Period:
    """Return the period that begins where `period` ends; errors as in `first_period`.

    Only the end counts, so an edited or switched period renews from its new end.
    """
    return first_period(period.end, cycle, anchor_day)


def _anchored(year: int, month: int, anchor_day: int) -> date:
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


def local_date(instant: datetime, zone: str) -> date:
    """Return the calendar day of an aware instant in an IANA time zone.

    Raises:
        ValueError: The instant is naive or the zone is unknown.
    """
    if instant.utcoffset() is None:
        raise ValueError("instant: must be aware")
    return instant.astimezone(_zone(zone)).date()


def start_of_day(day: date, zone: str) -> datetime:
    """Return the first instant of a local day, in UTC.

    Where clocks skip midnight (Santiago, Beirut, Cairo) that is the moment of the change; where
    midnight comes twice (Havana) the earlier one. For a day that a zone left out (Apia, 30 Dec
    2011) it is the moment of the omission, which is also the start of the day after.

    Raises:
        ValueError: The zone is unknown.
    """
    # PEP 495: with fold=0 a time inside a gap takes the offset before the change. A gap that begins
    # at midnight is therefore entered at the change itself; no zone since 1970 has one that begins
    # before midnight and ends after it.
    return datetime.combine(day, time(), _zone(zone)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):  # OSError: a folder such as "America"
        raise ValueError("zone: must be an IANA time zone such as Europe/Zurich") from None
