"""Names of jobs: the time, for people, and 48 random bits, against two of the same."""

from __future__ import annotations

import os

from livchatd.storage.database import now

_BLOCK = 6 * 512
_DIGITS = str.maketrans("", "", "-:.")


class Ids:
    """Makes job ids. Random bytes are drawn in blocks: each draw is a system call."""

    def __init__(self) -> None:
        self._random = b""

    def make(self) -> str:
        """A new id: job_20261122_081530_3f9a1c2b7d4e."""
        if not self._random:
            self._random = os.urandom(_BLOCK)
        drawn, self._random = self._random[:6], self._random[6:]
        day, _, time = now().partition("T")
        return f"job_{day.translate(_DIGITS)}_{time[:8].translate(_DIGITS)}_{drawn.hex()}"
