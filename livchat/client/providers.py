"""Routes of what a provider offers."""

from __future__ import annotations

from typing import Any

from livchat.transport import Json, Transport


class ProviderRoutes(Transport):
    """`/api/providers/...`."""

    def server_types(self, **query: Any) -> Json:
        """GET /api/providers/server-types?provider=&region=."""
        return self._call("GET", "/api/providers/server-types", query=query)

    def locations(self, **query: Any) -> Json:
        """GET /api/providers/locations?provider=."""
        return self._call("GET", "/api/providers/locations", query=query)

    def images(self, **query: Any) -> Json:
        """GET /api/providers/images?provider=."""
        return self._call("GET", "/api/providers/images", query=query)
