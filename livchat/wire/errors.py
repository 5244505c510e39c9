"""An error as it travels."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from livchat.errors import BY_CODE, LivChatError
from livchat.wire.base import Wire


class ErrorResponse(Wire):
    """`error` is a sentence that a person can act on; `hint` the next command, or null."""

    error: str
    code: str
    details: dict[str, Any] = Field(default_factory=dict)
    hint: str | None = None

    @classmethod
    def of(cls, error: LivChatError) -> ErrorResponse:
        """Pack an error."""
        return cls(error=error.message, code=error.code, details=error.details, hint=error.hint)

    def unpack(self) -> LivChatError:
        """The error that was packed; an unknown code becomes the root class."""
        kind = BY_CODE.get(self.code, LivChatError)
        return kind(self.error, hint=self.hint, details=self.details)
