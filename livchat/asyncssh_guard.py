"""asyncssh, imported in the one way that leaves /dev/null alone; a program imports this file late.

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


def _no_library(name: str) -> str | None:  # noqa: ARG001
    return None


with _importing:
    ctypes.util.find_library = _no_library
    try:
        import asyncssh
    finally:
        ctypes.util.find_library = _find_library

# At INFO it logs each connection, channel and signal.
logging.getLogger("asyncssh").setLevel(logging.WARNING)

__all__ = ["asyncssh"]
