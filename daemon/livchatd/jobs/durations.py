"""How long steps take: medians of their own past, from which weights and estimates come."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from livchatd.storage.database import Database, Transaction

SLOTS = 32
"""How many past durations of a step count."""
LEAST = 0.05
"""Seconds below which a duration says nothing: the step had nothing to do."""


class Durations:
    """Past durations by step and variant (provider and server type), in memory and in the table."""

    def __init__(self) -> None:
        self._past: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._next: dict[tuple[str, str], int] = defaultdict(int)

    def load(self, database: Database) -> None:
        """Read what was measured before."""
        rows = database.reader.execute("SELECT step, variant, seconds FROM durations ORDER BY slot")
        for step, variant, seconds in rows:
            self._past[step, variant].append(seconds)
        for key, past in self._past.items():
            self._next[key] = len(past) % SLOTS

    def expected(self, step: str, variant: str, usually: float) -> float:
        """Seconds that a step may take: its median, else what it usually takes."""
        past = self._past.get((step, variant))
        return median(past) if past else usually

    def add(self, step: str, variant: str, seconds: float) -> tuple[str, str, int, float] | None:
        """Count a duration; the row to be written, or None if it says nothing."""
        if seconds < LEAST:
            return None
        key = (step, variant)
        slot = self._next[key]
        self._next[key] = (slot + 1) % SLOTS
        past = self._past[key]
        if slot < len(past):
            past[slot] = seconds
        else:
            past.append(seconds)
        return step, variant, slot, round(seconds, 3)


def keep(tx: Transaction, rows: list[tuple[str, str, int, float]]) -> None:
    """Write durations."""
    tx.executemany("INSERT OR REPLACE INTO durations VALUES (?, ?, ?, ?)", rows)
