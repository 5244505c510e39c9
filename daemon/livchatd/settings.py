"""What is not secret: default provider, e-mail for certificates, patience; people edit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from livchat.errors import Invalid
from livchat.wire.base import Email, ProviderName, Request, parse

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(Request):
    """The settings; what is not said is decided from what there is.

    `call_timeout`: seconds that a remote system has to answer one call; what takes longer by its
    nature has more, in proportion. `patience`: seconds for which a job sits out an outage.
    """

    default_provider: ProviderName | None = None
    email: Email | None = None
    call_timeout: Seconds = 30.0
    patience: Seconds = 300.0


def read_settings(path: Path) -> Settings:
    """The settings in a file, or none where there is no file; `Invalid` names what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    try:
        return parse(Settings, json.loads(text))
    except (ValueError, Invalid) as error:
        raise Invalid(f"cannot use {path}: {error}", hint=f"edit {path}") from None
