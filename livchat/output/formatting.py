"""Durations, times and prices as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from livchat.sanitize import clean_line


def duration(seconds: float) -> str:
    """12.3 s, 3 min 05 s, 2 h 07 min; never negative."""
    seconds = max(0.0, seconds)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def roughly(seconds: float) -> str:
    """A duration that is an estimate: no tenths."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else duration(whole)


def moment(timestamp: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; None where there is none."""
    if not timestamp:
        return None
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


def local(timestamp: str | None) -> str:
    """An RFC 3339 time on the reader's own clock, to the second."""
    seconds = moment(timestamp)
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def price(amount: object, currency: object, digits: int = 2) -> str:
    """5.49 EUR; a dash where the price is not known."""
    if amount is None:
        return "-"
    try:
        return f"{float(str(amount)):.{digits}f} {currency or ''}".strip()
    except ValueError:
        return clean_line(amount)
