"""Hetzner's errors in our words. Import it late: it brings hcloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
from hcloud import APIException, HCloudException

from livchat.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    LivChatError,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SoldOut,
    Unauthorized,
)

_HINT = "livchat config provider hetzner"
_TYPES = "livchat provider types"
_STATUS = "see https://status.hetzner.com, and try again in a moment"

EXPECTED = (
    HCloudException,
    requests.exceptions.RequestException,
    # An answer that is not what the description says, as the library stumbles over it.
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
)
"""What a call may raise."""

Make = Callable[[str], LivChatError]


def explain(error: Exception, doing: str) -> LivChatError:
    """The error of one call; `doing` says what was tried, in a few words."""
    if isinstance(error, APIException):
        return _refusal(error, doing)
    if isinstance(error, requests.exceptions.Timeout):
        return _away(f"hetzner took too long: {doing}")
    if isinstance(error, requests.exceptions.RequestException):
        return _away(f"hetzner cannot be reached: {doing}: {type(error).__name__}")
    return _away(f"hetzner gave an answer that cannot be read: {doing}")


def _away(text: str) -> ProviderUnavailable:
    return ProviderUnavailable(text, hint=_STATUS)


def _refusal(error: APIException, doing: str) -> LivChatError:
    text = f"{doing}: {_line(error.message)}"
    code = str(error.code)
    if code == "invalid_input":
        return InvalidRequest(text, hint=_TYPES, details={"fields": _fields(error.details)})
    if code == "uniqueness_error":
        hint = "delete or rename what has that name: https://console.hetzner.cloud"
        return Conflict(text, hint=hint, details={"fields": _fields(error.details)})
    if code in _BY_CODE:
        return _with_code(_BY_CODE[code](text), code)
    if isinstance(error.code, int) and error.code < 400:
        # A success whose body is no JSON: a page of a proxy, or an answer that broke off.
        return _away(f"hetzner gave an answer that cannot be read: {doing}")
    if isinstance(error.code, int) and error.code < 500 and error.code not in {408, 429}:
        return ProviderError(f"hetzner refused with {error.code}: {text}")
    if isinstance(error.code, int):
        return _away(f"hetzner answered {error.code}: {text}")
    return _with_code(ProviderError(text), code)


def _with_code(error: LivChatError, code: str) -> LivChatError:
    error.details.setdefault("provider_code", code)
    return error


_BY_CODE: dict[str, Make] = {
    "unauthorized": lambda text: Unauthorized(f"hetzner refuses the token: {text}", hint=_HINT),
    "token_readonly": lambda text: Forbidden(f"the token may only read: {text}", hint=_HINT),
    "forbidden": lambda text: Forbidden(text, hint=_HINT),
    "not_found": NotFound,
    "resource_unavailable": lambda text: SoldOut(text, hint=_TYPES),
    "placement_error": lambda text: SoldOut(text, hint=_TYPES),
    "resource_limit_exceeded": lambda text: ProviderError(
        text, hint="ask for a higher limit: https://console.hetzner.cloud/limits"
    ),
    "protected": lambda text: ProviderError(
        text, hint="take the protection off: https://console.hetzner.cloud"
    ),
    "rate_limit_exceeded": lambda text: RateLimited(
        f"hetzner's limit of requests: {text}", hint="try again in a moment"
    ),
    **dict.fromkeys(
        (
            "conflict",
            "locked",
            "server_error",
            "service_error",
            "bad_gateway",
            "unavailable",
            "timeout",
            "maintenance",
        ),
        _away,
    ),
}


def _fields(details: Any) -> list[dict[str, str]]:
    listed = details.get("fields") if isinstance(details, dict) else None
    return [
        {
            "field": str(field.get("name", "")),
            "message": "; ".join(map(str, field.get("messages") or ["is refused"])),
        }
        for field in listed or []
        if isinstance(field, dict)
    ]


def _line(message: Any) -> str:
    lines = str(message or "no reason given").strip().splitlines() or ["no reason given"]
    return lines[0][:300]
