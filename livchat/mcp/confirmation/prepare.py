"""What is lost or run: the question about a server, an app or a command."""

from __future__ import annotations

from livchat.client.client import Client
from livchat.errors import NotFound
from livchat.mcp.confirmation.question import PreparedCall, Question
from livchat.mcp.confirmation.read_only import is_read_only
from livchat.mcp.inputs import DeleteAppInput, DeleteServerInput, ExecInput
from livchat.mcp.untrusted import one_line


def destruction(client: Client, request: DeleteServerInput) -> PreparedCall:
    """A server with everything on it."""
    server = client.server(request.server_name)
    apps = ", ".join(server["apps"])
    address = server["ip_address"] or "sem endereço"
    on_it = f"com {apps} e todos os dados" if apps else "sem apps"
    message = f"Destruir para sempre o servidor {server['name']} ({address}), {on_it}?"
    phrase = f"{server['name']} com {apps}" if apps else server["name"]
    return PreparedCall(request, Question(message, phrase))


def removal(client: Client, request: DeleteAppInput) -> PreparedCall:
    """An app on a server; raises NotFound where it is not there."""
    installed = [app["app_name"] for app in client.installed_apps(request.server_name)["apps"]]
    if request.app_name not in installed:
        raise NotFound(
            f"there is no app '{request.app_name}' on '{request.server_name}'; "
            f"there are: {', '.join(installed) or 'none'}",
            hint=f"livchat app list {request.server_name}",
        )
    phrase = f"{request.app_name} em {request.server_name}"
    return PreparedCall(request, Question(f"Desinstalar {phrase}? O app sai do ar.", phrase))


def execution(client: Client, request: ExecInput) -> PreparedCall:  # noqa: ARG001 - like the others
    """A command, unless it only reads."""
    if is_read_only(request.command):
        return PreparedCall(request)
    message = f"Executar em {request.server_name}, como root: {one_line(request.command)}"
    return PreparedCall(request, Question(message, request.command))
