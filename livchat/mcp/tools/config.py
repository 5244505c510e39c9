"""Tools for the first set-up and for credentials."""

from __future__ import annotations

from livchat.mcp.inputs import CloudflareInput, NoInput, ProviderInput
from livchat.mcp.outputs import project_to_model
from livchat.mcp.tools import credentials
from livchat.mcp.tools.tool import Effect, Tool
from livchat.wire.config import Done

TOOLS = (
    Tool(
        "inicializar-sistema", "Initialise LivChat",
        "Prepara as pastas e o cofre do LivChat Setup nesta máquina. Comece por aqui; repetir não "
        "faz mal.",
        Effect.MAKES, NoInput, Done,
        lambda client, _: project_to_model(Done, client.init()),
    ),
    Tool(
        "configurar-provider", "Configure a cloud provider",
        "Token da nuvem. Prefira fora da conversa: a pessoa roda no terminal `livchat config "
        "provider hetzner`, depois chame sem token para testar o que está guardado. Um token dado "
        "aqui fica no histórico do chat. O sandbox não precisa de token.",
        Effect.MAKES, ProviderInput, Done, credentials.provider,
    ),
    Tool(
        "configurar-cloudflare", "Configure Cloudflare DNS",
        "Credenciais de DNS. Prefira fora da conversa: a pessoa roda no terminal `livchat config "
        "cloudflare`, depois chame sem argumentos para testar o que está guardado. Aceita "
        "api_token, ou email com api_key.",
        Effect.MAKES, CloudflareInput, Done, credentials.cloudflare,
    ),
)  # fmt: skip
