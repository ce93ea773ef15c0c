"""How long a session lasts."""

from datetime import datetime, timedelta

__all__ = ["ended"]


def ended(used_at: datetime, expires_at: datetime, idle_minutes: int, now: datetime) -> bool:
    """Tell whether a session is over: its day is, or nobody used it for long."""
    return now >= expires_at or now - used_at >= timedelta(minutes=idle_minutes)
