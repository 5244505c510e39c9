"""asyncssh, imported in the one way that leaves /dev/null alone. Import this module late.

On a machine with binutils and without libnettle, `ctypes.util.find_library` asks `ld` with
`-o /dev/null`, and for root `ld` removes that file first (CPython issue 91115). asyncssh looks for
two optional libraries while it is imported; here it is told that there are none.
"""

from __future__ import annotations

import ctypes.util
import logging
import threading

_importing = threading.Lock()
_find_library = ctypes.util.find_library


def _none(name: str) -> str | None:  # noqa: ARG001
    return None


with _importing:
    ctypes.util.find_library = _none
    try:
        import asyncssh
    finally:
        ctypes.util.find_library = _find_library

# It tells each connection, channel and signal at INFO.
logging.getLogger("asyncssh").setLevel(logging.WARNING)

__all__ = ["asyncssh"]
