"""Cloudflare's errors as `livchat.errors`. Import it late: it brings the library."""

from __future__ import annotations

from typing import Any

from cloudflare import APIConnectionError, APIError, APIStatusError, APITimeoutError

from livchat.errors import (
    Conflict,
    InvalidRequest,
    LivChatError,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Unauthorized,
)

EXPECTED = (APIError, AttributeError, KeyError, TypeError, ValueError)
"""What a call may raise: the library's errors, and what it raises over a malformed response."""

_HINT = "livchat config cloudflare"
_STATUS = "see https://www.cloudflarestatus.com, and try again in a moment"
_CREDENTIAL = frozenset({1000, 6003, 6111, 9103, 9106, 9109, 10000})
_EXISTS = frozenset({81053, 81057, 81058})
_GONE = frozenset({81044})
_CONTENT = frozenset({1004, 9005, 9020, 9021})


def is_quick(error: Exception) -> bool:
    """Return whether a call failed at once and may pass a moment later: no time-out, no refusal."""
    if isinstance(error, APIStatusError):
        return error.status_code >= 500
    return isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError)


def explain(error: Exception, doing: str) -> LivChatError:
    """Return the error of one call; `doing` says what was tried, in a few words."""
    if isinstance(error, APITimeoutError):
        return _unavailable(f"cloudflare took too long: {doing}")
    if isinstance(error, APIConnectionError):
        return _unavailable(f"cloudflare cannot be reached: {doing}")
    if isinstance(error, APIStatusError):
        return _refusal(error, doing)
    return _unavailable(f"cloudflare gave an answer that cannot be read: {doing}")


def _unavailable(text: str) -> ProviderUnavailable:
    return ProviderUnavailable(text, hint=_STATUS)


def _refusal(error: APIStatusError, doing: str) -> LivChatError:
    codes = _codes(error)
    text = f"{doing}: {_reason(error)}"
    details: dict[str, Any] = {"codes": sorted(codes), "http_status": error.status_code}
    if error.status_code == 429:
        details["retry_after"] = _retry_after(error)
        hint = "try again in a few minutes"
        return RateLimited(f"cloudflare's limit of requests: {text}", hint=hint, details=details)
    if error.status_code >= 500:
        return _unavailable(f"cloudflare answered {error.status_code}: {text}")
    if error.status_code in {401, 403} or codes & _CREDENTIAL:
        return Unauthorized(
            f"cloudflare refuses the credential: {text}", hint=_HINT, details=details
        )
    if codes & _EXISTS:
        return Conflict(text, details={**details, "exists": True})
    if error.status_code == 404 or codes & _GONE:
        return NotFound(text, details=details)
    if codes & _CONTENT:
        return InvalidRequest(text, details={**details, "fields": []})
    return ProviderError(f"cloudflare refused: {text}", details=details)


def _retry_after(error: APIStatusError) -> float | None:
    """Return the seconds for which it will go on refusing, if it says so."""
    header = error.response.headers.get("retry-after", "")
    return float(header) if header.isdecimal() else None


def _codes(error: APIStatusError) -> set[int]:
    return {int(entry.code) for entry in error.errors or [] if entry.code is not None}


def _reason(error: APIStatusError) -> str:
    messages = [entry.message for entry in error.errors or [] if entry.message]
    return "; ".join(messages)[:300] or f"no reason given ({error.status_code})"
