"""Secrets: their keys, and their values for whoever asks to see them."""

from __future__ import annotations

from pydantic import Field, SecretStr

from livchat.wire.base import Request, Wire


class PutSecret(Request):
    """A secret to be kept, in the place of one that has its key."""

    value: SecretStr = Field(min_length=1, max_length=65_536)


class Secret(Wire):
    """A secret; `value` is null unless it was asked for with `reveal=true`."""

    key: str
    value: str | None = None


class SecretList(Wire):
    """All secrets, by key."""

    secrets: list[Secret]
    total: int
