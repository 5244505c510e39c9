"""`livchat doctor` as a process: what it shows, what it asks, how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.strangers import ANOTHER, Strangers, beside, home_of, marked

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d")) as started:
        started.request("GET", "/api/providers/locations?provider=sandbox")
        yield started


@pytest.fixture
def strangers(daemon: DaemonProcess) -> Strangers:
    daemon.sandbox("reset", "POST")
    return beside(daemon)


def doctor(daemon: DaemonProcess, *words: str, **more: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "livchat", "doctor", *words],
        env={**daemon.environment, "LANG": "en_US.UTF-8", "LC_ALL": "", **more},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_ends_with_0_when_all_is_well(daemon: DaemonProcess, strangers: Strangers) -> None:
    strangers.machine("theirs", marked(ANOTHER, "theirs"))
    done = doctor(daemon)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("all is well\n")
    assert f"of other installations of LivChat (this one is {home_of(daemon)})" in done.stdout
    told = json.loads(doctor(daemon, "-o", "json").stdout)
    assert (told["healthy"], len(told["foreign"])) == (True, 1)
    nothing = doctor(daemon, "--mend", "--yes")
    assert (nothing.returncode, nothing.stderr) == (0, "there is nothing to mend\n")
    assert doctor(daemon, "-o", "quiet").stdout == ""


def test_it_ends_with_1_and_names_what_it_found(
    daemon: DaemonProcess, strangers: Strangers
) -> None:
    name = f"sandbox/address/{strangers.address('livchat-ghost', marked(home_of(daemon), 'ghost'))}"
    done = doctor(daemon)
    assert (done.returncode, done.stderr) == (1, "")
    assert "address of no server  livchat-ghost" in done.stdout
    assert f"  {name}: there is no server 'ghost' here; made by job_" in done.stdout
    assert "livchat doctor --mend, which saves 0." in done.stdout
    portuguese = doctor(daemon, LANG="pt_BR.UTF-8").stdout
    assert "endereço sem servidor" in portuguese
    assert "o que poupa 0." in portuguese
    assert doctor(daemon, "-o", "quiet").stdout == f"{name}\n"
    told = doctor(daemon, "-o", "json")
    assert (told.returncode, json.loads(told.stdout)["findings"][0]["id"]) == (1, name)


def test_mending_asks_and_does_nothing_where_nobody_can_answer(
    daemon: DaemonProcess, strangers: Strangers
) -> None:
    strangers.address("livchat-ghost", marked(home_of(daemon), "ghost"))
    done = doctor(daemon, "--mend")
    assert done.returncode == 2
    assert "address of no server livchat-ghost (address 198.18." in done.stderr
    assert "for 'ghost'): 0." in done.stderr
    assert "nobody can be asked here" in done.stderr
    assert len(daemon.sandbox("status")["primary_ips"]) == 1
    assert _typed(daemon, b"n\n") == 1
    assert len(daemon.sandbox("status")["primary_ips"]) == 1
    assert _typed(daemon, b"y\n") == 0
    assert daemon.sandbox("status")["primary_ips"] == []


def test_mending_by_name_takes_what_another_installation_made(
    daemon: DaemonProcess, strangers: Strangers
) -> None:
    home = home_of(daemon)
    own = strangers.address("livchat-ghost", marked(home, "ghost"))
    name = f"sandbox/key/{strangers.key('theirs', marked(ANOTHER, 'theirs'))}"
    done = doctor(daemon, "--mend", name, "--yes")
    assert (done.returncode, done.stdout) == (0, f"{name} is mended\n")
    assert daemon.sandbox("status")["ssh_keys"] == []
    assert [str(one["id"]) for one in daemon.sandbox("status")["primary_ips"]] == [own]
    job = json.loads(doctor(daemon, "--mend", "--yes", "-o", "json").stdout)
    assert job["result"]["mended"] == [f"sandbox/address/{own}"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hetzner/machine/1"], 2, "hint: livchat doctor --mend hetzner/machine/1"),
        (["--mend", "hetzner/machine/1", "--yes"], 7, "no finding 'hetzner/machine/1' now"),
        (["--surprise"], 2, "livchat doctor --help"),
    ],
)
def test_a_wrong_call_says_what_is_right(
    daemon: DaemonProcess, words: list[str], code: int, said: str
) -> None:
    done = doctor(daemon, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def _typed(daemon: DaemonProcess, answer: bytes) -> int:
    """The exit code of `doctor --mend` on a terminal where this is typed."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "livchat", "doctor", "--mend"],
        env={**daemon.environment, "LANG": "en_US.UTF-8", "LC_ALL": ""},
        stdin=child, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(child)
    os.write(parent, answer)
    try:
        return process.wait(60)
    finally:
        os.close(parent)
