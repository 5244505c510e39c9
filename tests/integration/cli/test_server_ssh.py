"""`livchat server ssh`: a real shell, by the ssh program and, where there is none, by asyncssh."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from livchat.wire.secrets import Secret
from livchat.wire.servers import SshAccess
from tests.integration.cli.shell_host import ShellHost
from tests.integration.daemon_process import ROOT

PATIENCE = 30.0
SSH = shutil.which("ssh")
WITH_SSH = pytest.param(
    "ssh program", marks=pytest.mark.skipif(SSH is None, reason="no ssh program on this machine")
)


class Machine:
    """A server with a shell, the routes of a daemon that leads there, and a command line."""

    def __init__(self, host: ShellHost, folder: Path, *, with_program: bool) -> None:
        self.host = host
        self.host_key: str | None = host.host_key
        programs = folder / "bin"
        programs.mkdir()
        if with_program:
            assert SSH is not None
            (programs / "ssh").symlink_to(SSH)
        self.environment = {
            "PATH": str(programs),
            "HOME": str(folder),
            "LIVCHAT_HOME": str(folder),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def routes(self) -> dict[str, dict[str, Any]]:
        """What the daemon answers, by path."""
        access = SshAccess(
            server="prod-01", host="127.0.0.1", port=self.host.port, user="root",
            host_key=self.host_key,
        )  # fmt: skip
        secret = Secret(key="ssh/prod-01/private", value=self.host.private)
        return {
            "/api/servers/prod-01/ssh": access.model_dump(),
            "/api/secrets/ssh%2Fprod-01%2Fprivate?reveal=true": secret.model_dump(),
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "livchat", "server", "ssh", "prod-01", *words]

    def __call__(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words), env=self.environment, input=typed, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def begin(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.Popen(self.argv(*words), env=self.environment, text=True, **pipes)


class Terminal:
    """A person's terminal with `livchat server ssh` running on it."""

    def __init__(self, machine: Machine, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.resize(100, 30)
        self.process = subprocess.Popen(
            machine.argv(*words), env=machine.environment, stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self._shown = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern: str) -> str:
        """What is shown up to this pattern; what comes after it is kept for the next."""
        deadline = monotonic() + PATIENCE
        while not (found := re.search(pattern, self._shown)):
            assert monotonic() < deadline, self._shown
            if select.select([self._ours], [], [], 0.2)[0]:
                self._shown += os.read(self._ours, 65536).decode(errors="replace")
        shown, self._shown = self._shown[: found.end()], self._shown[found.end() :]
        return shown

    def code(self) -> int:
        """The exit code; the terminal is as it was before."""
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self._theirs) == self.before
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture(scope="module")
def host() -> Iterator[ShellHost]:
    with ShellHost().running() as started:
        yield started


@pytest.fixture(params=[WITH_SSH, "asyncssh"])
def machine(host: ShellHost, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = Machine(host, tmp_path, with_program=request.param == "ssh program")

    class Daemon(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            data = json.dumps(made.routes()[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.environment["LIVCHAT_URL"] = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def terminal(machine: Machine) -> Iterator[Terminal]:
    opened = Terminal(machine)
    yield opened
    opened.close()


def test_a_shell_is_on_a_terminal_of_the_same_kind_and_size(terminal: Terminal) -> None:
    terminal.until(r"ready\$ ")
    terminal.type("tty; stty size; echo $TERM\r")
    shown = terminal.until(r"xterm-256color\r\n")
    assert re.search(r"/dev/pts/\d+\r\n30 100\r\n", shown)
    terminal.resize(72, 20)
    terminal.until(r"ready\$ ")
    # The new size travels on its own: it is asked for until it has arrived.
    terminal.type("until [ \"$(stty size)\" = '20 72' ]; do sleep 0.05; done; echo re''sized\r")
    terminal.until(r"resized\r\n")
    terminal.type("exit 7\r")
    assert terminal.code() == 7


def test_ctrl_c_goes_to_what_runs_there_and_the_shell_goes_on(terminal: Terminal) -> None:
    terminal.until(r"ready\$ ")
    terminal.type("trap : INT; cat\r")
    terminal.type("still there\r")
    terminal.until(r"still there\r\nstill there\r\n")
    terminal.type("\x03")
    terminal.until(r"ready\$ ")
    terminal.type("echo $((40 + 2)); exit\r")
    terminal.until(r"\r\n42\r\n")
    assert terminal.code() == 0


def test_ctrl_d_ends_the_shell(terminal: Terminal) -> None:
    terminal.until(r"ready\$ ")
    terminal.type("\x04")
    assert terminal.code() == 0


def test_a_command_keeps_its_words_its_streams_and_its_exit_status(machine: Machine) -> None:
    done = machine("--", "sh", "-c", "echo out; echo 'a  b' >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "a  b\n")


def test_what_is_piped_in_arrives_whole_and_is_ended(machine: Machine) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))
    done = machine("--", "cat", typed=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == text
    nothing = machine.begin("--", "wc", "-c", stdin=subprocess.DEVNULL)
    assert nothing.communicate(timeout=PATIENCE) == ("0\n", "")


def test_a_shell_reads_a_script_that_is_piped_in(machine: Machine) -> None:
    done = machine(typed="echo from $((6 * 7))\nexit 4\n")
    assert (done.returncode, "from 42\n" in done.stdout) == (4, True)


def test_a_command_that_is_killed_there_is_255(machine: Machine) -> None:
    assert machine("--", "sh", "-c", "kill -9 $$").returncode == 255


def test_another_host_key_is_refused(machine: Machine) -> None:
    machine.host_key = ShellHost.another_host_key()
    done = machine("--", "echo", "reached")
    assert (done.returncode, done.stdout) == (255, "")
    assert "host key" in done.stderr.lower()


def test_without_a_pinned_host_key_nothing_is_dialled(machine: Machine) -> None:
    machine.host_key = None
    done = machine("--", "echo", "reached")
    assert (done.returncode, done.stdout) == (4, "")
    assert "livchat server exec prod-01 -- true" in done.stderr


def test_a_connection_that_breaks_is_255_and_gives_the_terminal_back(
    terminal: Terminal, host
) -> None:
    terminal.until(r"ready\$ ")
    host.cut()
    assert terminal.code() == 255


@pytest.mark.parametrize("machine", ["asyncssh"], indirect=True)
class TestAsyncssh:
    """What only the shell of our own has to do by itself."""

    def test_an_interrupt_goes_to_the_command_and_another_ends_us(self, machine: Machine) -> None:
        script = "trap 'echo interrupted' INT; echo begun; while :; do sleep 0.05; done"
        running = machine.begin("--", "sh", "-c", script, stdin=subprocess.PIPE)
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "interrupted\n"
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=PATIENCE)
        assert running.returncode == 128 + signal.SIGINT

    def test_sigterm_ends_it_and_gives_the_terminal_back(self, terminal: Terminal) -> None:
        terminal.until(r"ready\$ ")
        terminal.process.terminate()
        assert terminal.code() == 128 + signal.SIGTERM

    def test_a_reader_that_goes_away_ends_it(self, machine: Machine) -> None:
        running = machine.begin("--", "yes", stdin=subprocess.DEVNULL)
        assert running.stdout is not None
        assert running.stdout.readline() == "y\n"
        running.stdout.close()
        assert running.wait(PATIENCE) == 128 + signal.SIGPIPE
        assert running.stderr is not None
        assert running.stderr.read() == ""
        running.stderr.close()

    def test_a_host_that_refuses_is_255_with_a_reason(self, machine: Machine) -> None:
        machine.host = ShellHost()
        machine.host.port = 1
        done = machine("--", "true")
        assert done.returncode == 255
        assert "does not answer over SSH" in done.stderr
        assert "hint: livchat server show prod-01" in done.stderr

    def test_a_key_that_is_not_let_in_is_255_with_a_reason(
        self, machine: Machine, host: ShellHost
    ) -> None:
        stranger = ShellHost()
        stranger.port = host.port
        machine.host = stranger
        done = machine("--", "true")
        assert done.returncode == 255
        assert "refuses our key for user root" in done.stderr
