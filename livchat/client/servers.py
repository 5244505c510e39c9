"""Routes of servers."""

from __future__ import annotations

from livchat.transport import Json, Transport, quoted


class ServerRoutes(Transport):
    """`/api/servers/...`, but for the apps on a server."""

    def create_server(self, request: Json) -> Json:
        """POST /api/servers."""
        return self._call("POST", "/api/servers", body=request)

    def plan_server(self, request: Json) -> Json:
        """POST /api/servers?plan=true; nothing is done."""
        return self._call("POST", "/api/servers", query={"plan": "true"}, body=request)

    def servers(self) -> Json:
        """GET /api/servers."""
        return self._call("GET", "/api/servers")

    def server(self, name: str) -> Json:
        """GET /api/servers/{name}."""
        return self._call("GET", f"/api/servers/{quoted(name)}")

    def delete_server(self, name: str) -> Json:
        """DELETE /api/servers/{name}."""
        return self._call("DELETE", f"/api/servers/{quoted(name)}")

    def setup_server(self, name: str, request: Json) -> Json:
        """POST /api/servers/{name}/setup."""
        return self._call("POST", f"/api/servers/{quoted(name)}/setup", body=request)

    def ssh_access(self, name: str) -> Json:
        """GET /api/servers/{name}/ssh."""
        return self._call("GET", f"/api/servers/{quoted(name)}/ssh")

    def execute(self, name: str, command: str, timeout: int) -> Json:
        """POST /api/servers/{name}/exec; `timeout` in seconds is the command's."""
        body = {"command": command, "timeout": timeout}
        path = f"/api/servers/{quoted(name)}/exec"
        return self._call("POST", path, body=body, wait=timeout + 30)
