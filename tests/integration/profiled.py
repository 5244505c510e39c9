"""A program that runs a module of ours and writes down each call from one of our files to another.

`python profiled.py TRACE MODULE ARGUMENT...` runs the module as `python -m MODULE ARGUMENT...`
does, and appends one line of JSON to TRACE for each call that begins in a file of ours:
[nanoseconds (CLOCK_MONOTONIC, the same in every process), who, caller, called, function].
`who` is the name of the asyncio task, "loop" outside of one (a callback, or a program that has no
loop), or "thread". `caller` is the nearest file of ours up the stack within that task, callback or
thread, and "" where there is none. Files are named from their package on: livchat/cli/main.py.

What runs while a module is imported is no call, nor is a coroutine or generator that is resumed,
nor a comprehension.

The file "ANSWER" is aiohttp's: it is "called" where an answer begins to be sent.
"""

from __future__ import annotations

import asyncio
import dis
import importlib.util
import inspect
import json
import os
import runpy
import sys
import threading
import time
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGES = ("livchat", "livchatd")
ANSWER = "ANSWER"
LATER = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""The kinds of code whose frames are entered again and again for one call."""


class Tracer:
    """Writes the calls of this process, from all its threads, into one file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._main = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take one event of `sys.setprofile`."""
        if event != "call":
            return
        called = file_of(frame.f_code)
        if called is None or _is_body(frame.f_code) or _is_resumed(frame):
            return
        caller = _caller(frame)
        if caller is None:
            return
        call = [time.monotonic_ns(), self._who(), caller, called, frame.f_code.co_name]
        os.write(self._file, json.dumps(call).encode() + b"\n")

    def _who(self) -> str:
        if threading.get_ident() != self._main:
            return "thread"
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return "loop"
        return task.get_name() if task else "loop"


@cache
def _roots() -> dict[str, str]:
    """The folder of each package of ours with its separator, and the package's name."""
    found = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found[f"{Path(spec.origin).parent}{os.sep}"] = package
    return found


@cache
def file_of(code: CodeType) -> str | None:
    """The file of ours that some code is from, or None; comprehensions are part of their caller."""
    name, path = code.co_name, code.co_filename
    if name.startswith("<") and name not in {"<lambda>", "<module>"}:
        return None
    for root, package in _roots().items():
        if path.startswith(root):
            return f"{package}/{path.removeprefix(root)}"
    if name == "finish_response" and path.endswith("aiohttp/web_protocol.py"):
        return ANSWER
    return None


@cache
def _is_body(code: CodeType) -> bool:
    """Whether this is the body of a module or of a class, which is no function."""
    return not code.co_flags & inspect.CO_OPTIMIZED


@cache
def _is_loop(code: CodeType) -> bool:
    """Whether an event loop begins a callback here: what is below is not its caller."""
    return code.co_filename.endswith("asyncio/events.py")


@cache
def _beginning(code: CodeType) -> int:
    """Where in its code a coroutine or generator begins; all later entries resume it."""
    found = [one.offset for one in dis.get_instructions(code) if one.opname == "RESUME"]
    return found[0] if found else 0


def _is_resumed(frame: FrameType) -> bool:
    code = frame.f_code
    return bool(code.co_flags & LATER) and frame.f_lasti > _beginning(code)


def _caller(frame: FrameType) -> str | None:
    """The nearest file of ours up the stack, "" without one; None while a module is imported."""
    nearest = ""
    above = frame.f_back
    while above is not None and not _is_loop(above.f_code):
        found = file_of(above.f_code)
        if found is not None and not _is_body(above.f_code):
            nearest = nearest or found
        elif found is not None and above.f_globals.get("__name__") != "__main__":
            return None
        above = above.f_back
    return nearest


def main() -> None:
    """Run the module that the arguments name, traced from its first line."""
    trace, module = sys.argv[1:3]
    sys.argv[:] = [module, *sys.argv[3:]]
    # The folder of this program comes first on the path: its files are none of the module's.
    sys.path.pop(0)
    _roots()
    tracer = Tracer(trace)
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
