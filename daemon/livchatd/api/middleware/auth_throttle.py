"""Failed attempts to get in, by peer: who guesses tokens is not listened to for a while."""

from __future__ import annotations

from time import monotonic

from livchat.errors import RateLimited

LIMIT = 10
"""Wrong tokens from one peer within the window."""
WINDOW = 60.0
PEERS = 1024
"""Peers that are remembered; one more and the one that failed longest ago is forgotten."""


class Attempts:
    """Counts them. A peer that has failed too often waits until its first failure is forgotten."""

    def __init__(self) -> None:
        self._failures: dict[str, list[float]] = {}

    def check(self, peer: str) -> None:
        """`RateLimited` if this peer has failed too often."""
        failures = self._recent(peer)
        if len(failures) >= LIMIT:
            wait = max(1, round(failures[0] + WINDOW - monotonic()))
            raise RateLimited(
                f"too many wrong tokens from {peer}: wait {wait} s",
                hint="export LIVCHAT_TOKEN_FILE=PATH",
                details={"retry_after": wait},
            )

    def failed(self, peer: str) -> bool:
        """Remember a failure; whether it is the one that is too many."""
        failures = self._recent(peer)
        self._failures.pop(peer, None)
        self._failures[peer] = [*failures, monotonic()]
        if len(self._failures) > PEERS:
            del self._failures[next(iter(self._failures))]
        return len(failures) + 1 == LIMIT

    def _recent(self, peer: str) -> list[float]:
        since = monotonic() - WINDOW
        return [at for at in self._failures.get(peer, ()) if at > since]
