"""Tools for apps."""

from __future__ import annotations

from livchat.mcp.confirmation import prepare
from livchat.mcp.inputs import DeleteAppInput, DeployAppInput, NoInput, ServerInput
from livchat.mcp.outputs import StartedOutput, project_to_model
from livchat.mcp.tools.tool import Effect, Tool
from livchat.wire.apps import Catalog, InstalledApps

TOOLS = (
    Tool(
        "listar-apps-disponiveis", "List available apps",
        "Catálogo de apps: o que cada um precisa e os params que aceita em config.",
        Effect.READS, NoInput, Catalog,
        lambda client, _: project_to_model(Catalog, client.catalog()),
    ),
    Tool(
        "instalar-app", "Install an app",
        "Instala um app do catálogo num servidor configurado; as dependências vêm junto. Devolve "
        "um job.",
        Effect.MAKES, DeployAppInput, StartedOutput,
        lambda client, request: client.deploy_app(
            request.server_name, request.app_name, dict(request.config)
        ),
    ),
    Tool(
        "listar-apps-instaladas", "List installed apps",
        "Apps de um servidor, com endereço e estado.",
        Effect.READS, ServerInput, InstalledApps,
        lambda client, request: project_to_model(
            InstalledApps, client.installed_apps(request.server_name)
        ),
    ),
    Tool(
        "desinstalar-app", "Uninstall an app",
        "Tira um app de um servidor; a pessoa confirma antes. Devolve um job.",
        Effect.DESTROYS, DeleteAppInput, StartedOutput,
        lambda client, request: client.delete_app(request.server_name, request.app_name),
        prepare.removal,
    ),
)  # fmt: skip
