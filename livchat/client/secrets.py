"""Routes of secrets."""

from __future__ import annotations

from livchat.transport import Json, Transport, quoted


class SecretRoutes(Transport):
    """`/api/secrets/...`."""

    def secrets(self, *, reveal: bool = False) -> Json:
        """GET /api/secrets?reveal=."""
        return self._call("GET", "/api/secrets", query={"reveal": "true"} if reveal else None)

    def secret(self, key: str, *, reveal: bool = False) -> Json:
        """GET /api/secrets/{key}?reveal=."""
        query = {"reveal": "true"} if reveal else None
        return self._call("GET", f"/api/secrets/{quoted(key)}", query=query)

    def put_secret(self, key: str, value: str) -> Json:
        """PUT /api/secrets/{key}."""
        return self._call("PUT", f"/api/secrets/{quoted(key)}", body={"value": value})

    def delete_secret(self, key: str) -> Json:
        """DELETE /api/secrets/{key}."""
        return self._call("DELETE", f"/api/secrets/{quoted(key)}")
