"""How long steps take: their past durations, and what follows for a whole list of steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

from livchatd.storage.database import Database, Transaction

KEPT_COUNT = 32
"""How many past durations of a step count."""
MIN_SECONDS = 0.05
"""Durations below this say nothing: the step had nothing to do."""

DurationRow = tuple[str, str, int, float]
"""A row of the table: step, duration key, slot and seconds."""


class Durations:
    """Past durations by step key and duration key, in memory and in the table.

    A duration key names what durations depend on: `provider/server type`, or an empty text.
    `scales` holds, by provider, what the steps' own guesses are multiplied by while there are no
    past durations: a sandbox is faster than a cloud.
    """

    def __init__(self, scales: Mapping[str, float] | None = None) -> None:
        self._scales = scales or {}
        self._past: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._next_slot: dict[tuple[str, str], int] = defaultdict(int)

    def load(self, database: Database) -> None:
        """Read what was measured before."""
        rows = database.reader.execute("SELECT step, variant, seconds FROM durations ORDER BY slot")
        for step, duration_key, seconds in rows:
            self._past[step, duration_key].append(seconds)
        for key, past in self._past.items():
            self._next_slot[key] = len(past) % KEPT_COUNT

    def scale(self, duration_key: str) -> float:
        """Return what the steps' own guesses are multiplied by."""
        return self._scales.get(duration_key.partition("/")[0], 1.0)

    def expected(self, step: str, duration_key: str, default: float) -> float:
        """Return the median of a step's past durations in seconds, else `default`."""
        past = self._past.get((step, duration_key))
        return median(past) if past else default

    def add(self, step: str, duration_key: str, seconds: float) -> DurationRow | None:
        """Count a duration; return the row to be written, or None if it says nothing."""
        if seconds < MIN_SECONDS:
            return None
        key = (step, duration_key)
        slot = self._next_slot[key]
        self._next_slot[key] = (slot + 1) % KEPT_COUNT
        past = self._past[key]
        if slot < len(past):
            past[slot] = seconds
        else:
            past.append(seconds)
        return step, duration_key, slot, round(seconds, 3)


def store(tx: Transaction, rows: Iterable[DurationRow]) -> None:
    """Write durations, each in the place of the oldest of its step once there are 32."""
    tx.executemany("INSERT OR REPLACE INTO durations VALUES (?, ?, ?, ?)", rows)


def critical_path_seconds(steps: Iterable[tuple[str, Iterable[str], float]]) -> float:
    """Return the seconds until the last step ends, where all that can overlap overlaps.

    Each step is its key, the keys of those that it comes after, and its own seconds. A step comes
    later in the list than those that it comes after.
    """
    ends: dict[str, float] = {}
    for key, after, seconds in steps:
        begins = max((ends.get(earlier, 0.0) for earlier in after), default=0.0)
        ends[key] = begins + seconds
    return max(ends.values(), default=0.0)
