"""Asks the person: by elicitation in either era, or by a phrase where the client cannot ask."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext

from livchat.mcp.confirmation import ConfirmationNeeded, Question

Context = ServerRequestContext[Any, Any]

INPUT_REQUIRED_SINCE = "2026-07-28"
"""The protocol from which a question is an answer to the call, not a request to the client."""
ANSWER = "confirmar"
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {ANSWER: {"type": "boolean", "title": "Confirmo", "default": False}},
    "required": [ANSWER],
}


async def agreed(
    ctx: Context, params: types.CallToolRequestParams, question: Question
) -> types.InputRequiredResult | None:
    """None once the person agrees; the question where the protocol takes it as an answer.

    `ConfirmationNeeded` where they do not, or where nobody but the assistant can ask them.
    """
    if not _can_ask(ctx):
        _check_phrase(params, question)
        return None
    if ctx.protocol_version < INPUT_REQUIRED_SINCE:
        _check(await ctx.session.elicit_form(question.message, _FORM, ctx.request_id), question)
        return None
    answer = (params.input_responses or {}).get(ANSWER)
    if answer is None or params.request_state != _digest(question):
        asked = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=question.message, requested_schema=_FORM)
        )
        return types.InputRequiredResult(
            input_requests={ANSWER: asked}, request_state=_digest(question)
        )
    if not isinstance(answer, types.ElicitResult):
        raise ConfirmationNeeded("the client answered something else than was asked")
    _check(answer, question)
    return None


def _can_ask(ctx: Context) -> bool:
    """Can the client show a form? One that declares no mode can."""
    capabilities = ctx.session.client_capabilities
    found = capabilities.elicitation if capabilities is not None else None
    return found is not None and (found.form is not None or found.url is None)


def _check(answer: types.ElicitResult, question: Question) -> None:
    if answer.action == "accept" and (answer.content or {}).get(ANSWER) is True:
        return
    raise ConfirmationNeeded(
        f"the person did not confirm, and nothing was done: {question.message}",
        hint="pergunte à pessoa o que ela quer antes de chamar de novo",
    )


def _check_phrase(params: types.CallToolRequestParams, question: Question) -> None:
    given = (params.arguments or {}).get(ANSWER)
    if given is not None and str(given).strip() == question.phrase.strip():
        return
    wrong = "" if given is None else "'confirmar' does not name exactly what goes; "
    raise ConfirmationNeeded(
        f"{wrong}nothing was done yet: {question.message}",
        hint="mostre isto à pessoa e, só se ela concordar, chame de novo com os mesmos argumentos "
        f'e confirmar="{question.phrase}"',
        details={"confirmar": question.phrase},
    )


def _digest(question: Question) -> str:
    """The very question that an answer is for: a price that has changed is asked about again."""
    return sha256(repr(question).encode()).hexdigest()
