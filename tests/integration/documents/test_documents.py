"""Every command of README and of the how-tos, run as it is written, on a terminal that answers.

What a reader has and a test has not is replaced: the sandbox stands for the clouds, and words in
capitals for the reader's own values. Commands that call programs which are not ours are checked by
name only.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from typer.main import get_command

from livchat.cli.main import cli
from tests.integration.daemon_process import ROOT, DaemonProcess, running

HOWTOS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/howto").glob("*.md"))
DOCUMENTS = ["README.md", *HOWTOS]
NOT_OURS = ("claude ", "npx ", "dig ")
"""Programs that a reader may have; their arguments name ours, which are looked at."""
BY_THE_GATE = ("python3 -m venv ", ".venv/bin/", "export LIVCHAT_HOME")
"""Commands that install: the gate runs them on a bare Debian."""
OTHERWISE = {
    # The finding is the page's example, and not there.
    ("docs/howto/doctor.md", "livchat doctor --mend hetzner/machine/100000007"): 7,
    # The sandbox stands for hetzner too: each of its machines is at a second provider.
    ("README.md", "livchat doctor"): 1,
}
"""Exit statuses that are not 0, of a document's command."""
COMMAND_SECONDS = 120.0


@dataclass(frozen=True)
class Command:
    """A line of a code block, without its comment."""

    document: str
    line: str


def commands(document: str) -> list[Command]:
    """The commands of a document's code blocks, but for JSON, drawings and what was printed."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line for kind, body in blocks if kind in {"", "sh"} for line in body.splitlines()]
    found = [re.sub(r"\s+#.*$", "", line).strip() for line in lines]
    return [Command(document, line) for line in found if line]


def spoken(document: str) -> list[str]:
    """The commands of ours that stand in a sentence."""
    text = (ROOT / document).read_text(encoding="utf-8")
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`(livchat [^`]+)`", outside)


@dataclass
class Reader:
    """Somebody who types what is written."""

    daemon: DaemonProcess
    cloud: dict[str, Any]
    folder: Path

    def answers(self) -> dict[str, str]:
        """What is typed at each question."""
        return {
            "certificate token of": self.certificate_token,
            "API token of": self.cloud["cloudflare_token"],
            "token of hetzner": self.cloud["token"],
            "[y/N]": "y",
        }

    @property
    def certificate_token(self) -> str:
        return (self.folder / "token.txt").read_text().strip()

    def types(self, line: str) -> tuple[int, str]:
        """Type a line into a shell on a terminal, answer what is asked: status, what is shown."""
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            ["/bin/bash", "-c", line],
            cwd=self.folder,
            env=self.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown, answered, deadline = "", 0, monotonic() + COMMAND_SECONDS
        try:
            while monotonic() < deadline:
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        shown += os.read(ours, 65_536).decode("utf-8", "replace")
                    except OSError:
                        break  # the other end is closed
                elif child.poll() is not None:
                    break
                for question, answer in self.answers().items():
                    place = shown.rfind(question)
                    if place >= answered and not shown[place:].count("\n"):
                        os.write(ours, f"{answer}\n".encode())
                        answered = len(shown)
                        break
            return child.wait(10), shown
        finally:
            if child.poll() is None:
                os.killpg(child.pid, 9)
                child.wait()
            os.close(ours)

    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**self.daemon.environment, "PATH": path, "LC_ALL": "C.UTF-8", "TERM": "dumb"}

    def put_in_place(self, line: str) -> str:
        """The line with the reader's own values."""
        port = self.cloud["control"].rpartition(":")[2]
        return line.replace("TOKEN", self.cloud["token"]).replace("PORT", port)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader whose default provider is the sandbox, since the real ones cannot be reached."""
    home = tmp_path / "livchat"
    settings = home / "config" / "settings.json"
    settings.parent.mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    settings.write_text(json.dumps({"default_provider": "sandbox", "email": "ops@example.com"}))
    shim = tmp_path / "bin" / "livchat"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m livchat "$@"\n')
    shim.chmod(0o755)
    with running(home) as daemon:
        daemon.request("GET", "/api/providers/locations?provider=sandbox")
        cloud = json.loads((home / "state/sandbox/sandbox.json").read_text(encoding="utf-8"))
        daemon.stop()
        daemon.environment["HCLOUD_ENDPOINT"] = cloud["hetzner"]
        daemon.environment["CLOUDFLARE_BASE_URL"] = cloud["cloudflare"]
        daemon.start()
        (tmp_path / "token.txt").write_text(daemon.sandbox("tokens/example.com", "POST")["token"])
        yield Reader(daemon, cloud, tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.timeout(600)
def test_every_command_of_a_document_runs_as_it_is_written(reader: Reader, document: str) -> None:
    found = commands(document)
    if shutil.which("curl") is None and any(one.line.startswith("curl ") for one in found):
        pytest.skip("no curl on this machine")
    for command in found:
        if command.line.startswith((*NOT_OURS, *BY_THE_GATE)):
            continue
        _prepare(reader, command.line)
        status, shown = reader.types(reader.put_in_place(command.line))
        wanted = OTHERWISE.get((document, command.line), 0)
        assert status == wanted, f"{document}: {command.line}\n{shown[-3000:]}"


def _prepare(reader: Reader, line: str) -> None:
    """What the document takes for granted: a server that a line names is there, jobs have ended."""
    for job in reader.daemon.request("GET", "/api/jobs?status=running").json["jobs"]:
        reader.daemon.wait(job["job_id"])
    servers = reader.daemon.request("GET", "/api/servers").json["servers"]
    if line.startswith("livchat server setup prod-01") and "prod-01" not in servers:
        body = {"name": "prod-01", "provider": "sandbox"}
        reader.daemon.wait(reader.daemon.submit("POST", "/api/servers", body))
    if line.startswith("livchat up") and "--fallback" in line and "prod-01" in servers:
        reader.daemon.wait(reader.daemon.submit("DELETE", "/api/servers/prod-01"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_a_sentence_names_is_there_with_its_options(document: str) -> None:
    for line in spoken(document):
        _is_there(line)


def test_what_other_programs_call_of_ours_is_there() -> None:
    called = [one.line for name in DOCUMENTS for one in commands(name) if "livchat mcp" in one.line]
    assert called
    for line in called:
        assert re.search(r"livchat mcp(\s|$)", line), line


def _is_there(line: str) -> None:
    """A command with its options: groups and commands by name, then each option that is written."""
    command: Any = get_command(cli)
    words = [word for word in shlex.split(line)[1:] if word != "..."]
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        found = command.get_command(None, words[0])
        assert found is not None, f"{line}: there is no {words[0]}"
        command, words = found, words[1:]
    before_dashes = words[: words.index("--")] if "--" in words else words
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    if command.name == "run":  # the rest goes to livchatd
        options |= set(re.findall(r"--[a-z-]+", _daemon_help()))
    for word in before_dashes:
        if word.startswith("-") and word not in {"--help", "--version"}:
            assert word.partition("=")[0] in options, f"{line}: there is no option {word}"


def _daemon_help() -> str:
    asked = [sys.executable, "-m", "livchatd", "--help"]
    return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout
