"""Starts the sandbox, a process of its own that outlives the daemon, and finds one that runs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp

from livchat.errors import ProviderUnavailable

START_SECONDS = 15.0
"""In which it has to come up."""
PAUSE_SECONDS = 0.02
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class SandboxAddress:
    """Where a running sandbox answers: base URLs, tokens, and the port of its web front.

    `dns` is the address and port of its name server; None if it has none.
    """

    hetzner: str
    token: str = field(repr=False)
    cloudflare: str
    cloudflare_token: str = field(repr=False)
    control: str
    front_port: int
    dns: str | None = None


async def start_sandbox(folder: Path) -> SandboxAddress:
    """Return the address of the sandbox of this folder, started if it does not answer.

    Raises `ProviderUnavailable`, with the last line of its log, if it does not come up within 15 s.
    """
    address = await _probe(folder)
    if address is not None:
        return address
    process = await asyncio.to_thread(_spawn, folder)
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        address = await _probe(folder)
        if address is not None:
            _reap_later(process)
            return address
        # One that ends with 0 has found another one alive, which is about to answer.
        if process.poll() not in (None, 0):
            raise _start_failure(folder, f"it ended with {process.returncode}")
        await asyncio.sleep(PAUSE_SECONDS)
    process.kill()
    raise _start_failure(folder, f"it did not answer within {START_SECONDS:.0f} s")


async def is_running(folder: Path) -> bool:
    """Return whether the sandbox of this folder answers; none is started."""
    return await _probe(folder) is not None


async def _probe(folder: Path) -> SandboxAddress | None:
    """Return the address of the sandbox of this folder if it answers there."""
    written = await asyncio.to_thread(_read, folder / "sandbox.json")
    if written is None:
        return None
    address = SandboxAddress(
        hetzner=written["hetzner"],
        token=written["token"],
        cloudflare=written["cloudflare"],
        cloudflare_token=written["cloudflare_token"],
        control=written["control"],
        front_port=written["front_port"],
        dns=written.get("dns"),
    )
    timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    headers = {"Authorization": f"Bearer {address.token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(f"{address.control}/control/health", headers=headers) as response,
        ):
            return address if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    required = {"hetzner", "token", "cloudflare", "cloudflare_token", "control", "front_port"}
    return written if required <= written.keys() else None


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "sandbox.json").unlink(missing_ok=True)
    # What belongs to the daemon's own service manager is not the sandbox's business.
    without = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
    environment = {key: value for key, value in os.environ.items() if key not in without}
    log = os.open(folder / "sandbox.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "livchat_sandbox", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """Wait in a thread for the process to end, so that no zombie stays if it ends first."""
    threading.Thread(target=process.wait, name="sandbox", daemon=True).start()


def _start_failure(folder: Path, why: str) -> ProviderUnavailable:
    log = folder / "sandbox.log"
    try:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    except OSError:
        last = []
    line = f": {last[0][:200]}" if last else ""
    return ProviderUnavailable(f"the sandbox does not start, {why}{line}", hint=f"less {log}")
