"""Routes of credentials and settings."""

from __future__ import annotations

from livchat.transport import Json, Transport


class ConfigRoutes(Transport):
    """`/api/config/...`."""

    def configure_provider(self, name: str, token: str, *, verify: bool = True) -> Json:
        """POST /api/config/provider."""
        return self._call(
            "POST", "/api/config/provider", body={"name": name, "token": token, "verify": verify}
        )

    def configure_cloudflare(self, credentials: Json) -> Json:
        """POST /api/config/cloudflare."""
        return self._call("POST", "/api/config/cloudflare", body=credentials)

    def configure_certificates(self, request: Json) -> Json:
        """POST /api/config/certificates."""
        return self._call("POST", "/api/config/certificates", body=request)
