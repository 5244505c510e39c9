"""An error on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from livchat.errors import LivChatError
from livchat.messages import references
from livchat.wire.base import MessageReference, Wire


class ErrorResponse(Wire):
    """`error` is a sentence that a person can act on; `hint` the next command, or null.

    `messages` has the sentences in `error` and `hint`, by field; it is absent where there are none.
    """

    error: str
    code: str
    details: dict[str, Any] = Field(default_factory=dict)
    hint: str | None = None
    messages: dict[str, MessageReference] | None = None

    @classmethod
    def of(cls, error: LivChatError) -> ErrorResponse:
        """The response that says this error."""
        found = {"error": error.message, "code": error.code, "hint": error.hint}
        messages = error.messages or references({"error": error.message, "hint": error.hint})
        return cls.model_validate(
            {**found, "details": error.details, **({"messages": messages} if messages else {})}
        )
