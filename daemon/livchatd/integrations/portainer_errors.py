"""Portainer's refusals as `livchat.errors`."""

from __future__ import annotations

import json

from livchat.errors import (
    Conflict,
    LivChatError,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Unauthorized,
)

_IN_PROGRESS = "already in progress"


def refusal(status: int, text: str, doing: str) -> LivChatError:
    """Return the error of one call: `text` is the response body, `doing` the method and path."""
    reason = _reason(text)
    message = f"portainer answered {status} to {doing}: {reason}"
    details = {"http_status": status}
    if status == 303:
        return ProviderError(
            f"portainer waits to be set up and was locked: {reason}", details=details
        )
    if status == 401:
        return Unauthorized(message, details=details)
    if status == 422 and doing.endswith("/api/auth"):
        return ProviderError(
            "portainer refuses the password that is kept for it",
            hint="livchat secret list",
            details=details,
        )
    if status == 403 and doing.endswith("/api/auth"):
        # After more than ten logins in a second nobody may log in for a while.
        return RateLimited(f"portainer takes no logins for a while: {reason}", details=details)
    if status == 429 or status >= 500 or (status == 409 and _IN_PROGRESS in reason):
        return ProviderUnavailable(message, details=details)
    kind = {404: NotFound, 409: Conflict}.get(status, ProviderError)
    return kind(message, details=details)


def _reason(text: str) -> str:
    try:
        body = json.loads(text)
        parts = [str(body.get("message") or ""), str(body.get("details") or "")]
    except (ValueError, AttributeError):
        parts = [text]
    unique = dict.fromkeys(part.strip() for part in parts if part.strip())
    return " ".join(": ".join(unique).split())[:500] or "no reason given"
