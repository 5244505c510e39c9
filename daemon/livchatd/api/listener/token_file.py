"""The token for TCP, read again when its file is replaced or removed."""

from __future__ import annotations

import logging
from pathlib import Path
from time import monotonic

from livchat.errors import LivChatError
from livchatd.api.listener import sockets

RELOAD_SECONDS = 1.0
"""Seconds between checks of the file: within them a replaced token is still valid."""

_log = logging.getLogger("livchatd")


class TokenFile:
    """The token in a file, which is made at the first use, with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: str | None = sockets.token(path)
        self._file_identity = _identity(path)
        self._reloaded = monotonic()

    def __call__(self) -> str | None:
        """Return the token; None if the file cannot be used, so that nobody gets in."""
        if monotonic() - self._reloaded >= RELOAD_SECONDS:
            self._reloaded = monotonic()
            self._reload()
        return self._token

    def _reload(self) -> None:
        seen = _identity(self._path)
        if seen is not None and seen == self._file_identity:
            return
        try:
            self._token = sockets.token(self._path)
        except (LivChatError, OSError, UnicodeDecodeError) as error:
            self._token = None
            _log.error("the token for TCP cannot be read: %s", error)
        else:
            _log.info("the token for TCP is another one now")
        self._file_identity = _identity(self._path)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
