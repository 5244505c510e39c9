"""The parameters of an app: given values checked, defaults filled in, all as text for Compose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from zoneinfo import available_timezones

from livchat.errors import InvalidRequest
from livchat.wire.base import DOMAIN
from livchatd.catalog.schema import Definition, Param, ParamType, Scalar

OPEN_PARAM = "open"
"""The parameter that removes the gate from an app whose first visitor would become its owner."""

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,63}")
_URL = re.compile(r"https?://[^\s\"'<>\\^`{|}]{1,2000}")
_LOCALE = re.compile(r"[a-z]{2,3}(?:[_-][A-Za-z]{2,4})?")
_TRUE, _FALSE = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})


def resolve_params(
    spec: Definition, given_values: Mapping[str, Scalar], site_values: Mapping[str, str]
) -> dict[str, str | None]:
    """Return every parameter as text by name, None where it has no value.

    `given_values` are what the person gave, by name. `site_values` are what the server knows
    (`email`, `timezone`, `domain`): a parameter takes one if its `default_from` names it. Raises
    `InvalidRequest` for a value that belongs to no parameter, a value of the wrong type, and a
    required parameter without a value.
    """
    unknown = sorted(
        set(given_values)
        - set(spec.params)
        - ({OPEN_PARAM} if spec.admin.protect == "gate" else set())
    )
    if unknown:
        raise InvalidRequest.field(
            f"config.{unknown[0]}",
            f"{spec.id} does not ask for it",
            hint=f"livchat app info {spec.id}",
        )
    return {
        name: _resolve_param(spec.id, name, param, given_values.get(name), site_values)
        for name, param in spec.params.items()
    }


def secret_params(spec: Definition) -> frozenset[str]:
    """Return the names of the parameters whose values the vault keeps, and no job's row."""
    return frozenset(name for name, param in spec.params.items() if param.secret)


def gate_disabled(given_values: Mapping[str, Scalar]) -> bool:
    """Return whether the given values ask for the app without its gate."""
    return _bool(str(given_values.get(OPEN_PARAM, "false"))) == "true"


def _resolve_param(
    app: str, name: str, param: Param, given: Scalar | None, site_values: Mapping[str, str]
) -> str | None:
    value = given if given is not None else param.default
    if value is None and param.default_from:
        value = site_values.get(param.default_from)
    if value is None or value == "":
        if param.required or param.default_from:
            raise InvalidRequest.field(
                f"config.{name}",
                f"{param.label.en} is needed",
                hint=f"livchat app deploy SERVER {app} --set {name}=VALUE",
            )
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        text = _plain(text, param)
        return _CHECKS[param.type](text, param) if param.type in _CHECKS else text
    except ValueError as error:
        raise InvalidRequest.field(
            f"config.{name}", str(error), hint=f"livchat app info {app}"
        ) from None


def _plain(text: str, param: Param) -> str:
    if len(text) > 10_000 or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError("must be one line of at most 10000 characters")
    if param.pattern and not re.fullmatch(param.pattern, text):
        raise ValueError(f"must match {param.pattern}")
    return text


def _int(text: str, param: Param) -> str:
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise ValueError("must be a whole number")
    number = int(text)
    if param.min is not None and number < param.min:
        raise ValueError(f"must be at least {param.min}")
    if param.max is not None and number > param.max:
        raise ValueError(f"must be at most {param.max}")
    return str(number)


def _bool(text: str) -> str:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return "true" if text.lower() in _TRUE else "false"


def _enum(text: str, param: Param) -> str:
    if text not in param.options:
        raise ValueError(f"must be one of {', '.join(param.options)}")
    return text


def _timezone(text: str, _: Param) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone such as America/Sao_Paulo")
    return text


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[str, Param], str]:
    def check(text: str, _: Param) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(message)
        return text

    return check


_CHECKS: dict[ParamType, Callable[[str, Param], str]] = {
    ParamType.INT: _int,
    ParamType.BOOL: lambda text, _: _bool(text),
    ParamType.ENUM: _enum,
    ParamType.TZ: _timezone,
    ParamType.EMAIL: _matching(_EMAIL, "must be an e-mail address"),
    ParamType.URL: _matching(_URL, "must be a URL that begins with https:// or http://"),
    ParamType.LOCALE: _matching(_LOCALE, "must be a locale such as pt-BR"),
    ParamType.HOST: _matching(re.compile(DOMAIN), "must be a host name such as mail.example.com"),
}
