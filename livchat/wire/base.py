"""Base classes of the models, the kinds of names, and validation errors as sentences."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from livchat.errors import InvalidRequest


class Wire(BaseModel):
    """An answer. A client ignores what a newer daemon adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class MessageReference(Wire):
    """The id of a sentence and its values: texts, numbers, and others like it with their `text`."""

    id: str
    values: dict[str, Any]


class Request(BaseModel):
    """A request. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


LABEL = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"^(?=.{{4,253}}$)(?:{_PART}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?$"
SUBDOMAIN = rf"^(?=.{{1,190}}$){_PART}(?:\.{_PART})*$"

ServerName = Annotated[str, StringConstraints(pattern=LABEL, max_length=63)]
"""An RFC 1123 label in lower case, at most 63 characters."""
ZoneName = Annotated[
    str,
    StringConstraints(max_length=253, to_lower=True),
    WithJsonSchema(
        {"type": "string", "minLength": 4, "maxLength": 253, "pattern": rf"^(?:{_PART}\.)+[a-z]+$"}
    ),
]
"""A DNS zone, e.g. example.com; `DOMAIN` is checked by the models that take one."""


def dns_zone(value: str) -> str:
    """The value if it is the name of a zone; `ValueError`."""
    import re  # noqa: PLC0415 - pydantic's own engine knows no look-ahead

    if not re.match(DOMAIN, value):
        raise ValueError("is not the name of a DNS zone, such as example.com")
    return value


SubdomainName = Annotated[
    str,
    StringConstraints(max_length=190),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 190, "pattern": rf"^{_PART}(?:\.{_PART})*$"}
    ),
]
"""What may stand between an app's name and the zone; `SUBDOMAIN` is checked likewise."""
AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,29}$")]
"""The id of an app in the catalog."""
ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,29}$")]
PORT = (
    r"^(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
    r"/(?:tcp|udp)$"
)
OpenPort = Annotated[str, StringConstraints(pattern=PORT)]
"""A port and its protocol, e.g. 25/tcp."""
ResourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""A server type, a location or an image, as the provider names it."""
Email = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,63}$"),
]
Timezone = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}$", max_length=64),
]
"""An IANA time zone, e.g. America/Sao_Paulo."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""The name of a variable in an app's definition."""
VariableValue = (
    Annotated[str, StringConstraints(max_length=10_000)]
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | bool
)
"""A value that a person gives for a variable."""

R = TypeVar("R", bound=BaseModel)

_PATTERN_MESSAGES = {
    LABEL: "is lower-case letters, digits and inner hyphens, at most 63 in all, such as prod-01",
    PORT: "is not a port such as 25/tcp or 51820/udp",
}
_TYPE_MESSAGES = {
    "string_pattern_mismatch": "has characters or a form that it may not have",
    "extra_forbidden": "is not a field of this request",
    "missing": "is needed",
}


def parse(model: type[R], data: Any) -> R:
    """The model made from `data`; raises `InvalidRequest` where it does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid_request(error) from None


def invalid_request(error: ValidationError) -> InvalidRequest:
    """A pydantic error as fields and messages, without the input, which may be a secret."""
    fields = []
    for problem in error.errors(include_url=False, include_input=False, include_context=True):
        name = ".".join(str(part) for part in problem["loc"]) or "body"
        by_pattern = _PATTERN_MESSAGES.get(str(problem.get("ctx", {}).get("pattern")))
        message = by_pattern or _TYPE_MESSAGES.get(
            problem["type"], problem["msg"].removeprefix("Value error, ")
        )
        fields.append({"field": name, "message": message})
    first = fields[0]
    return InvalidRequest(f"{first['field']}: {first['message']}", details={"fields": fields})
