"""The only place of the sandbox where asyncssh is imported, and why the import is guarded.

On import asyncssh looks for libnettle by `ctypes.util.find_library`, which may run
`ld -o /dev/null`: as root that deletes /dev/null (CPython issue 91115). No library is looked for
while it is imported.
"""

from __future__ import annotations

import ctypes.util

_find_library = ctypes.util.find_library


def _find_no_library(name: str) -> str | None:  # noqa: ARG001 - the signature of what it replaces
    return None


ctypes.util.find_library = _find_no_library
try:
    import asyncssh
finally:
    ctypes.util.find_library = _find_library

__all__ = ["asyncssh"]
