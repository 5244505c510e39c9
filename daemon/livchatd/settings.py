"""The settings file, which people edit: default provider, e-mail for certificates, time limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from livchat.errors import InvalidRequest
from livchat.wire.base import Email, ProviderName, Request, parse

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(Request):
    """The settings; for each that is not given there is a default.

    `call_timeout` is the seconds that a remote system has to answer one call; calls that take
    longer by their nature have more, in proportion. `patience` is the seconds for which a step is
    tried again while a remote system is away.
    """

    default_provider: ProviderName | None = None
    email: Email | None = None
    call_timeout: Seconds = 30.0
    patience: Seconds = 300.0


def read_settings(path: Path) -> Settings:
    """Return the settings in a file, or the defaults where there is none.

    Raises `InvalidRequest`, which names what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    try:
        return parse(Settings, json.loads(text))
    except (ValueError, InvalidRequest) as error:
        raise InvalidRequest(f"cannot use {path}: {error}", hint=f"edit {path}") from None
