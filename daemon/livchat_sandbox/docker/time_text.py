"""Moments and durations as Docker's API and command line write them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: float) -> str:
    """Return a moment in seconds since 1970 as Docker's API writes it (RFC 3339, UTC)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def ago(seconds: float) -> str:
    """Return a duration as Docker's command line writes it: `About a minute`, `3 hours`."""
    whole = int(max(seconds, 0))
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return f"{whole} second{'s' if whole > 1 else ''}"
    if whole < 120:
        return "About a minute"
    if whole < 3600:
        return f"{whole // 60} minutes"
    if whole < 7200:
        return "About an hour"
    return f"{whole // 3600} hours" if whole < 172800 else f"{whole // 86400} days"
