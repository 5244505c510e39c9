"""Files that a person names: read as text, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

from livchat.errors import BadRequest


def read_text(path: Path, shown: str | None = None) -> str:
    """The text of a file; BadRequest, with the path as `shown`, if that cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise BadRequest(f"cannot read {shown or path}: {reason.lower()}") from error
