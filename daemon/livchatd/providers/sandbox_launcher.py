"""Starts the sandbox, a process of its own that outlives the daemon, and finds one that runs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp

from livchat.errors import ProviderUnavailable
from livchatd.providers.sandbox import SandboxAddress

WITHIN = 15.0
"""Seconds that it has to come up."""
PAUSE = 0.02


async def start_sandbox(folder: Path) -> SandboxAddress:
    """The address of the sandbox of this folder, started if it does not answer.

    `ProviderUnavailable` with its last words if it does not come up within 15 s.
    """
    address = await _alive(folder)
    if address is not None:
        return address
    process = await asyncio.to_thread(_spawn, folder)
    deadline = monotonic() + WITHIN
    while monotonic() < deadline:
        address = await _alive(folder)
        if address is not None:
            # It is nobody's child to wait for any more: the daemon reaps it if it ends first.
            _adopt(process)
            return address
        # One that ends with 0 has found another one alive, which is about to answer.
        if process.poll() not in (None, 0):
            raise _silent(folder, f"it ended with {process.returncode}")
        await asyncio.sleep(PAUSE)
    process.kill()
    raise _silent(folder, f"it did not answer within {WITHIN:.0f} s")


async def runs(folder: Path) -> bool:
    """Whether the sandbox of this folder answers; none is started."""
    return await _alive(folder) is not None


async def _alive(folder: Path) -> SandboxAddress | None:
    told = await asyncio.to_thread(_read, folder / "sandbox.json")
    if told is None:
        return None
    address = SandboxAddress(
        hetzner=told["hetzner"],
        token=told["token"],
        cloudflare=told["cloudflare"],
        cloudflare_token=told["cloudflare_token"],
        control=told["control"],
        front_port=told["front_port"],
        dns=told.get("dns"),
    )
    timeout = aiohttp.ClientTimeout(total=2)
    headers = {"Authorization": f"Bearer {address.token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(f"{address.control}/control/health", headers=headers) as answer,
        ):
            return address if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = {"hetzner", "token", "cloudflare", "cloudflare_token", "control", "front_port"}
    return found if known <= found.keys() else None


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "sandbox.json").unlink(missing_ok=True)
    # What belongs to the daemon's own service manager is not the sandbox's business.
    without = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
    environment = {key: value for key, value in os.environ.items() if key not in without}
    descriptor = os.open(folder / "sandbox.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "livchat_sandbox", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def _adopt(process: subprocess.Popen[bytes]) -> None:
    """Reap it in a thread once it ends, so that no zombie stays; the daemon never waits for it."""
    import threading  # noqa: PLC0415

    threading.Thread(target=process.wait, name="sandbox", daemon=True).start()


def _silent(folder: Path, why: str) -> ProviderUnavailable:
    log = folder / "sandbox.log"
    try:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    except OSError:
        last = []
    words = f": {last[0][:200]}" if last else ""
    return ProviderUnavailable(f"the sandbox does not start, {why}{words}", hint=f"less {log}")
