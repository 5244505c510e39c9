"""Ways to ask a person: elicitation in either era of the protocol, or a phrase without it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext

from livchat.mcp.confirmation.question import ConfirmationNeeded, Question

Context = ServerRequestContext[Any, Any]

INPUT_REQUIRED_SINCE = "2026-07-28"
"""The protocol from which a question is a result of the call, not a request to the client."""
FIELD = "confirmar"
"""The name of the form's only field, and of the argument for a phrase."""
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {FIELD: {"type": "boolean", "title": "Confirmo", "default": False}},
    "required": [FIELD],
}


async def confirmed(
    ctx: Context, params: types.CallToolRequestParams, question: Question
) -> types.InputRequiredResult | None:
    """None once the person agrees; the question where the protocol takes it as a result.

    Raises ConfirmationNeeded where they do not, or where nobody but the assistant can ask them.
    """
    if not _can_ask(ctx):
        _check_phrase(params, question)
        return None
    if ctx.protocol_version < INPUT_REQUIRED_SINCE:
        _check(await ctx.session.elicit_form(question.message, _FORM, ctx.request_id), question)
        return None
    reply = (params.input_responses or {}).get(FIELD)
    if reply is None or params.request_state != _digest(question):
        form = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=question.message, requested_schema=_FORM)
        )
        return types.InputRequiredResult(
            input_requests={FIELD: form}, request_state=_digest(question)
        )
    if not isinstance(reply, types.ElicitResult):
        raise ConfirmationNeeded("the client answered something else than was asked")
    _check(reply, question)
    return None


def _can_ask(ctx: Context) -> bool:
    """Whether the client can show a form; one that declares no mode can."""
    capabilities = ctx.session.client_capabilities
    found = capabilities.elicitation if capabilities is not None else None
    return found is not None and (found.form is not None or found.url is None)


def _check(reply: types.ElicitResult, question: Question) -> None:
    if reply.action == "accept" and (reply.content or {}).get(FIELD) is True:
        return
    raise ConfirmationNeeded(
        f"the person did not confirm, and nothing was done: {question.message}",
        hint="pergunte à pessoa o que ela quer antes de chamar de novo",
    )


def _check_phrase(params: types.CallToolRequestParams, question: Question) -> None:
    given = (params.arguments or {}).get(FIELD)
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
    """A hash of the question that a reply is for: a price that has changed is asked about again."""
    return sha256(repr(question).encode()).hexdigest()
