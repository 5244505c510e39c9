"""Failed logins by peer: whoever guesses tokens is refused for a while."""

from __future__ import annotations

from time import monotonic

from livchat.errors import RateLimited

MAX_FAILURES = 10
"""Wrong tokens that one peer may send within the window."""
WINDOW_SECONDS = 60.0
MAX_PEERS = 1024
"""Peers that are remembered; beyond it the one whose last failure is the oldest is forgotten."""


class FailedLogins:
    """Counts wrong tokens. A peer with too many waits until its first one leaves the window."""

    def __init__(self) -> None:
        self._failures: dict[str, list[float]] = {}

    def check(self, peer: str) -> None:
        """Raise `RateLimited` if this peer has sent too many wrong tokens."""
        failures = self._recent(peer)
        if len(failures) >= MAX_FAILURES:
            wait = max(1, round(failures[0] + WINDOW_SECONDS - monotonic()))
            raise RateLimited(
                f"too many wrong tokens from {peer}: wait {wait} s",
                hint="export LIVCHAT_TOKEN_FILE=PATH",
                details={"retry_after": wait},
            )

    def add(self, peer: str) -> bool:
        """Count a wrong token; return whether it is the one that reaches the limit."""
        failures = self._recent(peer)
        self._failures.pop(peer, None)
        self._failures[peer] = [*failures, monotonic()]
        if len(self._failures) > MAX_PEERS:
            del self._failures[next(iter(self._failures))]
        return len(failures) + 1 == MAX_FAILURES

    def _recent(self, peer: str) -> list[float]:
        since = monotonic() - WINDOW_SECONDS
        return [at for at in self._failures.get(peer, ()) if at > since]
