"""What an assistant reads: answers as structured content and text, failures as errors."""

from __future__ import annotations

import json
from typing import Any

from mcp import types

from livchat.errors import LivChatError
from livchat.mcp.hints import next_call
from livchat.mcp.outputs import LOG_LINES, OUTPUT_LIMIT, Executed, Started, job_answer
from livchat.mcp.tools import Tool
from livchat.mcp.untrusted import cleaned, cut, framed, one_line, without
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


def told(tool: Tool, answer: Json, notes: list[str]) -> types.CallToolResult:
    """An answer: its text for who reads, its structure for who computes."""
    failed = tool.gives is Executed and not answer["success"]
    return _result([*notes, _text(tool, answer)], answer, error=failed)


def job(found: Json, notes: list[str], *, error: bool) -> types.CallToolResult:
    """A job's state; `error` says that it is not what was waited for."""
    answer = job_answer(found)
    parts = [*notes, _job_text(answer)]
    if found["status"] == "failed" and found["logs"]:
        lines = "\n".join(f"{x['level']}: {x['message']}" for x in found["logs"][-LOG_LINES:])
        parts.append(framed(lines, f"log de {found['job_id']}"))
    return _result(parts, answer, error=error)


def failure(error: LivChatError, notes: list[str], hidden: list[str]) -> types.CallToolResult:
    """An error, with its code and what to do next; none of the hidden strings is in it."""
    step = next_call(error.hint, error.code)
    message = one_line(error.message)
    parts = [*notes, f"Erro ({error.code}): {message}\nO que fazer: {step}"]
    details = dict(error.details)
    printed = {name: details.pop(name, "") for name in ("stdout", "stderr")}
    parts += [framed(x, name, OUTPUT_LIMIT) for name, x in printed.items() if x]
    packed = {"error": message, "code": error.code, "hint": step, "details": cleaned(details)}
    parts.append(_json(packed))
    return _result([without(part, hidden) for part in parts], None, error=True)


def _text(tool: Tool, answer: Json) -> str:
    if tool.gives is Started:
        again = " (já pedido antes nesta conversa: nada foi feito de novo)"
        status = _STATUS[answer["status"]]
        start = f"{answer['message']}{again if answer['repeated'] else ''}"
        return f"{start}\nJob {answer['job_id']}: {status}\nPróximo passo: {answer['next_step']}"
    if tool.gives is Done:
        return "\n".join([answer["message"], *map(str, answer["data"].values())])
    if tool.gives is Executed:
        return _printed(answer)
    return _json(answer)


def _job_text(answer: Json) -> str:
    lines = [f"{answer['summary']}: {_STATUS[answer['status']]} ({answer['progress']} %)"]
    if answer.get("waiting_for"):
        lines.append(f"À espera de {answer['waiting_for']}")
    elif answer.get("current_step"):
        lines.append(f"Passo: {answer['current_step']}")
    if answer.get("error"):
        lines.append(f"Erro ({answer['error_code']}): {one_line(answer['error'])}")
        lines.append(
            f"O que fazer: {next_call(answer['hint'], answer['error_code'] or 'internal')}"
        )
    if answer.get("rollback"):
        lines.append(f"Reversão: {_ROLLBACK[answer['rollback']]}")
    if answer.get("left_behind"):
        lines.append(f"Ficou para trás: {'; '.join(answer['left_behind'])}")
    if answer.get("estimated_completion") and answer["status"] == "running":
        lines.append(f"Previsto para {answer['estimated_completion']}")
    if answer.get("result"):
        lines.append(f"Resultado: {_json(answer['result'])}")
    return "\n".join([*lines, f"Próximo passo: {answer['next_step']}"])


def _printed(answer: Json) -> str:
    said = f"{answer['server_name']}: o comando terminou com {answer.get('exit_code')}"
    parts = [said if answer["success"] else f"Erro (command_failed): {said}; veja a saída"]
    for name in ("stdout", "stderr"):
        if answer[name]:
            source = f"{name} de {answer['server_name']}"
            parts.append(framed(answer[name], source, 2 * OUTPUT_LIMIT))
    return "\n".join(parts)


def _json(value: Any) -> str:
    return cut(json.dumps(value, ensure_ascii=False, separators=(",", ":")), TEXT_LIMIT)


def _result(parts: list[str], structure: Json | None, *, error: bool) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=x) for x in parts]
    return types.CallToolResult(content=content, structured_content=structure, is_error=error)
