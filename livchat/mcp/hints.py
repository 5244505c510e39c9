"""The next step after an error: a hint of the daemon is a command, an assistant calls tools."""

from __future__ import annotations

import re

_TOOL_FOR_COMMAND: tuple[tuple[str, str], ...] = (
    (r"livchat job watch (\S+)", "aguardar-job-completo com job_id={0}"),
    (r"livchat job (?:show|logs) (\S+)(?: .*)?", "verificar-job com job_id={0}"),
    (r"livchat job list", "listar-jobs"),
    (r"livchat server list", "listar-servidores"),
    (r"livchat server show (\S+)", "detalhes-servidor com server_name={0}"),
    (
        r"livchat server setup (\S+).*",
        "configurar-servidor-completo com server_name={0}, zone_name e ssl_email",
    ),
    (r"livchat server create.*", "criar-servidor"),
    (r"livchat server delete (\S+).*", "destruir-servidor com server_name={0}"),
    (r"livchat server exec (\S+) --timeout (\d+) .*", "executar-comando-ssh com timeout={1}"),
    (r"livchat app list (\S+)", "listar-apps-instaladas com server_name={0}"),
    (r"livchat app (?:catalog|info.*)", "listar-apps-disponiveis"),
    (r"livchat app deploy (\S+) (\S+).*", "instalar-app com server_name={0} e app_name={1}"),
    (r"livchat app delete (\S+) (\S+).*", "desinstalar-app com server_name={0} e app_name={1}"),
    (
        r"livchat config (\S+)(?: .*)?",
        "peça à pessoa que rode no terminal, fora desta conversa: {hint}",
    ),
    (r"livchat .*", "peça à pessoa que rode no terminal: {hint}"),
)
_BY_CODE = {
    "bad_request": "corrija os argumentos pelo esquema da ferramenta e chame-a de novo",
    "invalid": "corrija os campos apontados e chame a ferramenta de novo",
    "not_found": "listar-servidores, listar-jobs ou listar-apps-disponiveis mostram o que existe",
    "conflict": "veja o estado com detalhes-servidor ou listar-jobs antes de tentar de novo",
    "sold_out": "escolha outro server_type ou region em criar-servidor",
    "not_configured": "configurar-provider ou configurar-cloudflare dizem como dar a credencial",
    "rate_limited": "espere um minuto e chame de novo",
    "unauthorized": "peça à pessoa que confira LIVCHAT_TOKEN_FILE na configuração do cliente",
    "forbidden": "peça à pessoa que confira com que usuário o daemon roda",
    "daemon_unreachable": "peça à pessoa que rode no terminal: livchat daemon start",
    "timeout": "chame de novo com timeout maior, ou veja listar-jobs",
}
_OTHERWISE = "tente de novo; se persistir, peça à pessoa que rode no terminal: livchat doctor"


def next_step_after(hint: str | None, code: str) -> str:
    """What an assistant does next: the hint as a call of a tool, else what fits the code."""
    if not hint:
        return _BY_CODE.get(code, _OTHERWISE)
    for pattern, text in _TOOL_FOR_COMMAND:
        found = re.fullmatch(pattern, hint)
        if found:
            return text.format(*found.groups(), hint=hint)
    return hint
