"""The token for TCP as its file has it now: replace or remove the file, and it is another one."""

from __future__ import annotations

import logging
from pathlib import Path
from time import monotonic

from livchat.errors import LivChatError
from livchatd.api.listener import sockets

LOOK = 1.0
"""Seconds between looks at the file: a new token counts from then on, an old one no more."""

_log = logging.getLogger("livchatd")


class TokenFile:
    """The token in a file, which is made at first use (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: str | None = sockets.token(path)
        self._seen = _identity(path)
        self._looked = monotonic()

    def __call__(self) -> str | None:
        """The token; None where the file cannot be used, so that nobody gets in."""
        if monotonic() - self._looked >= LOOK:
            self._looked = monotonic()
            self._look()
        return self._token

    def _look(self) -> None:
        seen = _identity(self._path)
        if seen is not None and seen == self._seen:
            return
        try:
            self._token = sockets.token(self._path)
        except (LivChatError, OSError, UnicodeDecodeError) as error:
            self._token = None
            _log.error("the token for TCP cannot be read: %s", error)
        else:
            _log.info("the token for TCP is another one now")
        self._seen = _identity(self._path)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Which file it is, and when it was written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
