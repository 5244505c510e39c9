"""Results as an assistant reads them: structured content and text, and failures as errors."""

from __future__ import annotations

import json
from typing import Any

from mcp import types

from livchat.errors import LivChatError
from livchat.mcp.hints import next_step_after
from livchat.mcp.outputs import LOG_LINES, OUTPUT_LIMIT, ExecOutput, StartedOutput, job_output
from livchat.mcp.tools.tool import Tool
from livchat.mcp.untrusted import cleaned, mark_untrusted, one_line, redact, truncate
from livchat.sanitize import clean_text
from livchat.wire.config import Done

Json = dict[str, Any]

TEXT_LIMIT = 24_000
_STATUS = {
    "queued": "na fila",
    "running": "em curso",
    "completed": "concluído",
    "failed": "FALHOU",
    "cancelled": "cancelado",
}
_ROLLBACK = {
    "none": "nada foi desfeito",
    "clean": "tudo o que foi feito foi desfeito",
    "partial": "nem tudo pôde ser desfeito",
}


def tool_result(tool: Tool, output: Json, notes: list[str]) -> types.CallToolResult:
    """The result of a tool that did its work: as text for a reader, as structure for a program."""
    failed = tool.output_model is ExecOutput and not output["success"]
    return _result([*notes, _text(tool, output)], output, error=failed)


def job(found: Json, notes: list[str], *, error: bool) -> types.CallToolResult:
    """The state of a job; `error` marks one that did not end as it was to."""
    output = job_output(found)
    parts = [*notes, _job_text(output)]
    if found["status"] == "failed" and found["logs"]:
        lines = "\n".join(f"{x['level']}: {x['message']}" for x in found["logs"][-LOG_LINES:])
        parts.append(mark_untrusted(lines, f"log de {found['job_id']}"))
    return _result(parts, output, error=error)


def failure(error: LivChatError, notes: list[str], hidden: list[str]) -> types.CallToolResult:
    """An error, with its code and what to do next; none of the hidden strings is in it."""
    step = clean_text(next_step_after(error.hint, error.code))
    message = one_line(error.message)
    parts = [*notes, f"Erro ({error.code}): {message}\nO que fazer: {step}"]
    details = dict(error.details)
    printed = {name: details.pop(name, "") for name in ("stdout", "stderr")}
    parts += [mark_untrusted(x, name, OUTPUT_LIMIT) for name, x in printed.items() if x]
    packed = {"error": message, "code": error.code, "hint": step, "details": cleaned(details)}
    parts.append(_json(packed))
    return _result([redact(part, hidden) for part in parts], None, error=True)


def _text(tool: Tool, output: Json) -> str:
    if tool.output_model is StartedOutput:
        again = " (já pedido antes nesta conversa: nada foi feito de novo)"
        status = _STATUS[output["status"]]
        start = f"{output['message']}{again if output['repeated'] else ''}"
        return f"{start}\nJob {output['job_id']}: {status}\nPróximo passo: {output['next_step']}"
    if tool.output_model is Done:
        return "\n".join([output["message"], *map(str, output["data"].values())])
    if tool.output_model is ExecOutput:
        return _printed(output)
    return _json(output)


def _job_text(output: Json) -> str:
    lines = [f"{output['summary']}: {_STATUS[output['status']]} ({output['progress']} %)"]
    if output.get("waiting_for"):
        lines.append(f"À espera de {output['waiting_for']}")
    elif output.get("current_step"):
        lines.append(f"Passo: {output['current_step']}")
    if output.get("error"):
        lines.append(f"Erro ({output['error_code']}): {one_line(output['error'])}")
        lines.append(
            f"O que fazer: {next_step_after(output['hint'], output['error_code'] or 'internal')}"
        )
    if output.get("rollback"):
        lines.append(f"Reversão: {_ROLLBACK[output['rollback']]}")
    if output.get("left_behind"):
        lines.append(f"Ficou para trás: {'; '.join(output['left_behind'])}")
    if output.get("estimated_completion") and output["status"] == "running":
        lines.append(f"Previsto para {output['estimated_completion']}")
    if output.get("result"):
        lines.append(f"Resultado: {_json(output['result'])}")
    return "\n".join([*lines, f"Próximo passo: {output['next_step']}"])


def _printed(output: Json) -> str:
    ended = f"{output['server_name']}: o comando terminou com {output.get('exit_code')}"
    parts = [ended if output["success"] else f"Erro (command_failed): {ended}; veja a saída"]
    for name in ("stdout", "stderr"):
        if output[name]:
            source = f"{name} de {output['server_name']}"
            parts.append(mark_untrusted(output[name], source, 2 * OUTPUT_LIMIT))
    return "\n".join(parts)


def _json(value: Any) -> str:
    return truncate(json.dumps(value, ensure_ascii=False, separators=(",", ":")), TEXT_LIMIT)


def _result(parts: list[str], structure: Json | None, *, error: bool) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=x) for x in parts]
    return types.CallToolResult(content=content, structured_content=structure, is_error=error)
