"""What is not secret: the default provider, the e-mail for certificates; people edit it."""

from __future__ import annotations

import json
from pathlib import Path

from livchat.errors import Invalid
from livchat.wire.base import Email, ProviderName, Request, parse


class Settings(Request):
    """The settings; what is not said is decided from what there is."""

    default_provider: ProviderName | None = None
    email: Email | None = None


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
