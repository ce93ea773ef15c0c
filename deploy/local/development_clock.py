"""Where the embedded stack keeps how far its clock is ahead."""

from pathlib import Path

__all__ = ["clock_file"]


def clock_file(state: Path) -> Path:
    """One file for all services of a stack; without it they have the system's time."""
    return state.resolve() / "clock"
