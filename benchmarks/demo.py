"""`livchat demo` from nothing, and `livchat up n8n` on a running daemon, in the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from rig.measure import Figure, folder, main, median

from tests.integration.daemon_process import DaemonProcess, running

UP = (
    "up", "n8n", "--server", "quick", "--provider", "sandbox", "--zone", "livchat.localhost",
    "--subdomain", "lab", "--yes",
)  # fmt: skip


def run(*, quick: bool) -> list[Figure]:
    """Each in a home of its own."""
    rounds = 1 if quick else 5
    ups, nothing, usual = [], [], []
    for _ in range(rounds):
        ups.append(_up())
        nothing.append(_demo("0"))
    usual = [_demo(None) for _ in range(1 if quick else 2)]
    return [
        Figure(
            "livchat up n8n, no delays, daemon and sandbox running", f"{median(ups):.2f} s", "",
            "2 s", median(ups) <= 2,
        ),
        Figure(
            "livchat demo from nothing, no delays", f"{median(nothing):.2f} s", "",
            "5 s", median(nothing) <= 5,
        ),
        Figure(
            "livchat demo from nothing, default delays", f"{median(usual):.2f} s", "",
            "30 s", median(usual) <= 30,
        ),
    ]  # fmt: skip


def _up() -> float:
    with folder() as home, running(home, "--log-level", "warning") as daemon:
        # The sandbox starts when it is first asked for.
        assert daemon.request("GET", "/api/providers/locations?provider=sandbox").status == 200
        return _livchat(home, {"LIVCHAT_SANDBOX_TIME_SCALE": "0"}, *UP)


def _demo(scale: str | None) -> float:
    environment = {} if scale is None else {"LIVCHAT_SANDBOX_TIME_SCALE": scale}
    with folder() as home:
        try:
            return _livchat(home, environment, "demo")
        finally:
            _livchat(home, environment, "daemon", "stop")
            DaemonProcess(home).end()


def _livchat(home: Path, environment: dict[str, str], *command: str) -> float:
    """Seconds that a command takes; it must end well."""
    inherited = {k: v for k, v in os.environ.items() if k != "LIVCHAT_SANDBOX_TIME_SCALE"}
    began = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "livchat", *command], capture_output=True, text=True, check=False,
        env={**inherited, "LIVCHAT_HOME": str(home), **environment},
    )  # fmt: skip
    took = perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"livchat {' '.join(command)}: {done.stderr[-2000:]}")
    return took


if __name__ == "__main__":
    main(run)
