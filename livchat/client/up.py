"""Routes of `up`: a server with apps in one request."""

from __future__ import annotations

from livchat.transport import Json, Transport


class UpRoutes(Transport):
    """`/api/up`."""

    def up(self, request: Json) -> Json:
        """POST /api/up."""
        return self._call("POST", "/api/up", body=request)

    def plan(self, request: Json) -> Json:
        """POST /api/up?plan=true; nothing is done."""
        return self._call("POST", "/api/up", query={"plan": "true"}, body=request)
