"""Routes of apps: the catalog, and what runs on a server."""

from __future__ import annotations

from livchat.transport import Json, Transport, quoted


class AppRoutes(Transport):
    """`/api/apps/...` and `/api/servers/{name}/apps/...`."""

    def catalog(self) -> Json:
        """GET /api/apps."""
        return self._call("GET", "/api/apps")

    def app(self, app_name: str) -> Json:
        """GET /api/apps/{app_name}."""
        return self._call("GET", f"/api/apps/{quoted(app_name)}")

    def deploy_app(self, server: str, app_name: str, config: Json) -> Json:
        """POST /api/servers/{name}/apps."""
        body = {"app_name": app_name, "config": config}
        return self._call("POST", f"/api/servers/{quoted(server)}/apps", body=body)

    def installed_apps(self, server: str) -> Json:
        """GET /api/servers/{name}/apps."""
        return self._call("GET", f"/api/servers/{quoted(server)}/apps")

    def delete_app(self, server: str, app_name: str, *, purge: bool = False) -> Json:
        """DELETE /api/servers/{name}/apps/{app_name}?purge=."""
        path = f"/api/servers/{quoted(server)}/apps/{quoted(app_name)}"
        return self._call("DELETE", path, query={"purge": "true"} if purge else None)
