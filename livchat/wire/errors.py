"""An error on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from livchat.errors import LivChatError
from livchat.wire.base import Wire


class ErrorResponse(Wire):
    """`error` is a sentence that a person can act on; `hint` the next command, or null."""

    error: str
    code: str
    details: dict[str, Any] = Field(default_factory=dict)
    hint: str | None = None

    @classmethod
    def of(cls, error: LivChatError) -> ErrorResponse:
        """The response that says this error."""
        return cls(error=error.message, code=error.code, details=error.details, hint=error.hint)
