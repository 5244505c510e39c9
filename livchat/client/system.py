"""Routes of the daemon itself: what it is, whether it lives, its first set-up."""

from __future__ import annotations

from livchat.transport import Json, Transport


class SystemRoutes(Transport):
    """`/`, `/health`, `/api/init`."""

    def root(self) -> Json:
        """GET /."""
        return self._call("GET", "/")

    def health(self) -> Json:
        """GET /health."""
        return self._call("GET", "/health", wait=10)

    def init(self) -> Json:
        """POST /api/init."""
        return self._call("POST", "/api/init", body={})
