"""A sandbox as a process of its own, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


class SandboxProcess:
    """A running sandbox: its address, and its control API."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.address: dict[str, Any] = {}
        self.ended = False

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                self.address = json.loads((self.folder / "sandbox.json").read_text())
                if self.address["pid"] == self.process.pid:
                    return
            time.sleep(0.02)  # noqa: TID251 - a test waits for a process
        raise AssertionError(f"the sandbox in {self.folder} does not listen")

    def control(self, path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        """Call the control API with the sandbox's token."""
        headers = {"Authorization": f"Bearer {self.address['token']}"}
        url = f"{self.address['control']}/control/{path}"
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, sent, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            data: dict[str, Any] = json.loads(answer.read())
            return data

    def status(self) -> dict[str, Any]:
        return self.control("status")

    def end(self, *, kill: bool = False) -> int:
        """End it, gently or not; its exit status."""
        self.ended = True
        if self.process.poll() is None:
            (self.process.kill if kill else self.process.terminate)()
        return self.process.wait(10)


def start(folder: Path, scale: float) -> SandboxProcess:
    """Start a sandbox in a folder; whoever starts it ends it."""
    environment = {
        **os.environ,
        "LIVCHAT_SANDBOX_TIME_SCALE": str(scale),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
    }
    command = [sys.executable, "-m", "livchat_sandbox", "--folder", str(folder)]
    return SandboxProcess(folder, subprocess.Popen(command, env=environment))


@contextlib.contextmanager
def running(folder: Path, scale: float = 0) -> Iterator[SandboxProcess]:
    """A sandbox that listens, ended when the block is left."""
    sandbox = start(folder, scale)
    try:
        sandbox.wait_until_it_listens()
        yield sandbox
        died = None if sandbox.ended else sandbox.process.poll()
        assert died is None, f"the sandbox ended by itself with {died}"
    finally:
        sandbox.end(kill=True)
