"""The price is asked about on a terminal before anything is bought; a script is not asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.contract import sandbox_process
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.daemon_process import DaemonProcess, running

CREATE = ("server", "create", "prod-01", "--type", "cx23", "--region", "nbg1")
PRICE = "7.13 EUR a month, 0.0114 EUR an hour"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """What stands for Hetzner: a sandbox that the daemon takes for the real one."""
    with sandbox_process.running(tmp_path_factory.mktemp("cloud") / "sandbox") as found:
        yield found


@pytest.fixture
def daemon(tmp_path, cloud: SandboxProcess) -> Iterator[DaemonProcess]:
    cloud.control("reset", "POST")
    where = {"HCLOUD_ENDPOINT": cloud.address["hetzner"]}
    with running(tmp_path / "livchat", **where) as started:
        body = {"name": "hetzner", "token": cloud.address["token"]}
        assert started.request("POST", "/api/config/provider", body).status == 200
        yield started


def livchat(
    daemon: DaemonProcess, *words: str, answer: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line: on a terminal that answers, or off one."""
    ours, theirs = pty.openpty()
    try:
        if answer is not None:
            os.write(ours, f"{answer}\n".encode())
        return subprocess.run(
            [sys.executable, "-m", "livchat", *words],
            env={**daemon.environment, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL if answer is None else theirs,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def jobs(daemon: DaemonProcess) -> int:
    found: int = daemon.request("GET", "/api/jobs").json["total"]
    return found


def test_a_no_to_the_price_buys_nothing(daemon: DaemonProcess, cloud: SandboxProcess) -> None:
    told = livchat(daemon, *CREATE, "--fallback", "cpx22", answer="n")
    assert told.returncode == 1
    assert f"go on, for {PRICE}?" in told.stderr
    assert "cpx22 @ nbg1, 23.79 EUR a month, 0.0381 EUR an hour (16.66 EUR a month more)" in (
        told.stderr
    )
    assert told.stdout == ""
    assert (jobs(daemon), cloud.status()["servers"]) == (0, [])


@pytest.mark.parametrize(
    ("more", "answer"), [((), "y"), (("--yes",), "n"), ((), None)], ids=["yes", "--yes", "script"]
)
def test_a_yes_and_a_script_buy_it(daemon: DaemonProcess, more, answer) -> None:
    told = livchat(daemon, *CREATE, *more, answer=answer)
    assert told.returncode == 0, told.stderr
    assert ("go on" in told.stderr) == (answer == "y")
    assert told.stdout.startswith("job_")
    assert jobs(daemon) == 1


def test_a_plan_is_shown_and_nothing_is_done(daemon: DaemonProcess, cloud: SandboxProcess) -> None:
    told = livchat(daemon, *CREATE, "--plan", answer="y")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[0].split("  ")[-1].strip() == PRICE
    assert (jobs(daemon), cloud.status()["servers"]) == (0, [])


@pytest.mark.parametrize("text", ["cx23,,", "cpx22@", "", "@"])
def test_a_fallback_that_is_none_is_told_with_an_example(daemon: DaemonProcess, text) -> None:
    told = livchat(daemon, *CREATE, "--fallback", text)
    assert told.returncode == 2
    assert "--fallback cpx22,cax11@fsn1,@hel1" in told.stderr
