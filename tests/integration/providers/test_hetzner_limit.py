"""Servers made beside a cloud that grants few calls: they wait for their turn, and none fails."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.contract.sandbox_process import ROOT, SandboxProcess
from tests.integration.daemon_process import running

LIMIT = 20
SCALE = 0.001
SERVERS = 8
STINGY = (
    "from livchat_sandbox import main\n"
    "from livchat_sandbox.hetzner import app\n"
    f"app.REQUESTS_PER_HOUR = {LIMIT}\n"
    "main.main()\n"
)  # fmt: skip


@contextlib.contextmanager
def stingy(folder: Path) -> Iterator[SandboxProcess]:
    """The sandbox, with another limit than Hetzner's: the same hour, and few calls in it."""
    folder.mkdir(parents=True, mode=0o700)
    environment = {
        **os.environ,
        "LIVCHAT_SANDBOX_TIME_SCALE": str(SCALE),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
    }
    command = [sys.executable, "-c", STINGY, "--folder", str(folder)]
    sandbox = SandboxProcess(folder, subprocess.Popen(command, env=environment))
    try:
        sandbox.wait_until_it_listens()
        yield sandbox
    finally:
        sandbox.end(kill=True)


def test_more_servers_than_the_limit_lets_through_at_once_all_come(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with stingy(home / "state" / "sandbox") as sandbox, running(home, scale=SCALE) as daemon:
        jobs = [
            daemon.submit("POST", "/api/servers", {"name": f"s{n}", "provider": "sandbox"})
            for n in range(SERVERS)
        ]
        ended = [daemon.wait(job) for job in jobs]
        status = sandbox.status()
    assert [job["status"] for job in ended] == ["completed"] * SERVERS
    assert [step["attempt"] for job in ended for step in job["steps"]] == [1] * 8 * SERVERS
    assert len(status["servers"]) == SERVERS
    calls = {key: n for key, n in status["calls"].items() if key.startswith("hetzner")}
    assert sum(calls.values()) > LIMIT
    for bought in ("primary_ips", "ssh_keys", "servers"):
        assert calls[f"hetzner POST /{bought}"] == SERVERS
