"""Credentials and settings."""

from __future__ import annotations

from typing import Any

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StrictBool,
    field_validator,
    model_validator,
)

from livchat.wire.base import Email, ProviderName, Request, Wire, ZoneName, dns_zone


class Init(Request):
    """Make the folders and the vault; twice is fine."""


class ConfigureProvider(Request):
    """A provider's token; it is tried first unless `verify` is false."""

    name: ProviderName
    token: SecretStr = Field(min_length=1, max_length=512)
    verify: bool = True


_TEXT, _NOTHING = {"type": "string"}, {"type": "null"}
_BY_TOKEN: dict[str, JsonValue] = {
    "required": ["api_token"],
    "properties": {"api_token": {**_TEXT}, "email": {**_NOTHING}, "api_key": {**_NOTHING}},
}
_BY_KEY: dict[str, JsonValue] = {
    "required": ["email", "api_key"],
    "properties": {"email": {**_TEXT}, "api_key": {**_TEXT}, "api_token": {**_NOTHING}},
}


class ConfigureCloudflare(Request):
    """Cloudflare by API token, or by e-mail and global API key."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_BY_TOKEN, _BY_KEY]})

    email: Email | None = None
    api_key: SecretStr | None = Field(None, min_length=1, max_length=512)
    api_token: SecretStr | None = Field(None, min_length=1, max_length=512)
    verify: bool = True

    @model_validator(mode="after")
    def _one_way(self) -> ConfigureCloudflare:
        by_key = self.email is not None and self.api_key is not None
        if by_key == (self.api_token is not None) or (self.email is None) != (self.api_key is None):
            raise ValueError("give either api_token, or email and api_key")
        return self


class ConfigureCertificates(Request):
    """A certificate token: a Cloudflare API token that may edit the DNS of one zone.

    It is put on the servers of that zone. `provider` is asked where that has a DNS of its own.
    """

    zone_name: ZoneName
    token: SecretStr = Field(min_length=1, max_length=512)
    provider: ProviderName | None = None
    verify: StrictBool = True

    _zone = field_validator("zone_name")(dns_zone)


class Done(Wire):
    """It is done."""

    success: bool
    message: str
    data: dict[str, Any] = Field(default_factory=dict)
