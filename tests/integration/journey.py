"""One server creation, from command to stored end: what of our code it passes, counted.

`python -m tests.integration.journey [TREE]` counts it in a checkout (this one if not given) and
prints the outcome, so that two commits can be compared.

What is counted:

*Files*: every file of the command and of the daemon in which a function is called for a creation
without `--wait`, from the command's first call to the moment at which the job's end is on disk.
The daemon is up and has made a server before: neither its start nor the sandbox's is counted.
What its own loops do (heartbeat, progress, maintenance) is left out: their tasks are older than
the command. Two creations are profiled, and what both of them enter counts, so that nothing does
that was entered by chance.

*Hops*: a room is a folder or a file directly below a package. On the way from the command's first
call to the moment at which the daemon begins to send the 202 - in the command, in the task that
handles the request, and in callbacks and threads - a room is a hop if the way goes on through it:
if it calls another room. A room that only answers (the wire's models, a list of a provider) is
none. The 202 is the last hop.

*Entries*: on the same way, the calls into the files that know the idempotency key, from files
that do not.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, monotonic_ns, sleep  # noqa: TID251 - processes are waited for

from tests.integration.daemon_process import ROOT, DaemonProcess
from tests.integration.profiled import ANSWER

PROGRAM = Path(__file__).with_name("profiled.py")
SECONDS = 60.0
ENDED = {"completed", "failed", "cancelled"}
KEY_FILES = (
    "idempotency.py",
    "operations/caller.py",
    "api/once.py",
    "jobs/claims.py",
    "/asking.py",
)
"""How the names of the files end that know the idempotency key, on this commit and older ones."""


@dataclass(frozen=True)
class Call:
    """One call of the trace, as `profiled.py` describes it; `at` is in nanoseconds."""

    at: int
    who: str
    caller: str
    called: str
    function: str


@dataclass(frozen=True)
class Journey:
    """The calls of one creation by command and daemon, in order."""

    calls: tuple[Call, ...] = field(repr=False)

    @property
    def files(self) -> list[str]:
        """The files that were entered, in order of first entry."""
        return list(dict.fromkeys(call.called for call in self.calls if call.called != ANSWER))

    @property
    def way(self) -> list[Call]:
        """The calls up to the moment at which the 202 begins to be sent, of whoever makes it."""
        answers = [at for at, call in enumerate(self.calls) if call.called == ANSWER]
        assert answers, "the daemon was not seen to answer: has aiohttp renamed finish_response?"
        answered = answers[0]
        handler = self.calls[answered].who
        return [call for call in self.calls[:answered] if call.who in {handler, "loop", "thread"}]

    @property
    def hops(self) -> list[str]:
        """The rooms through which the way to the 202 goes on, as it first does so; the 202."""
        onward = (
            room(call.caller)
            for call in self.way
            if call.caller and _crosses(call.caller, call.called)
        )
        return [*dict.fromkeys(onward), "202"]

    @property
    def key_entries(self) -> list[str]:
        """Each call on the way to the 202 into a file that knows the key, from another file."""
        return [
            f"{_short(call.caller) or call.who} > {_short(call.called)}.{call.function}"
            for call in self.way
            if _knows_key(call.called) and not _knows_key(call.caller)
        ]


@dataclass(frozen=True)
class Outcome:
    """What two creations have in common, and what `--wait` adds."""

    first: Journey
    second: Journey
    watched: Journey

    @property
    def files(self) -> list[str]:
        """The files of a creation that is not watched."""
        others = set(self.second.files)
        return [file for file in self.first.files if file in others]

    @property
    def watching(self) -> list[str]:
        """The files that `--wait` adds."""
        known = {*self.first.files, *self.second.files}
        return [file for file in self.watched.files if file not in known]

    @property
    def hops(self) -> list[str]:
        """The hops of both creations."""
        others = set(self.second.hops)
        return [hop for hop in self.first.hops if hop in others]

    @property
    def key_entries(self) -> list[str]:
        """The entries of the creation that has fewer."""
        return min(self.first.key_entries, self.second.key_entries, key=len)

    def __str__(self) -> str:
        """The outcome as Markdown."""
        entries = "; ".join(self.key_entries)
        lines = (
            f"- {len(self.files)} files from command to stored end: {_named(self.files)}",
            f"- watching it with `--wait` adds {len(self.watching)}: {_named(self.watching)}",
            f"- {len(self.hops)} hops to the 202: {' > '.join(self.hops)}",
            f"- {len(self.key_entries)} entries into the idempotency key's files: {entries}",
        )
        return "\n".join(lines)


class ProfiledDaemon(DaemonProcess):
    """A daemon of a checkout that writes its calls into a trace."""

    def __init__(self, home: Path, tree: Path = ROOT) -> None:
        search = f"{tree}{os.pathsep}{tree / 'daemon'}"
        super().__init__(home, PYTHONPATH=search, LANG="en_US.UTF-8")
        self.trace = home / "daemon.trace"

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        """A profiled daemon process of this home; whoever spawns it ends it."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self.trace), "livchatd", *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def create(self, name: str, *options: str) -> Journey:
        """Create a server by a profiled command, and wait until its job's end is on disk."""
        trace = self.home / f"{name}.trace"
        begun = monotonic_ns()
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(trace), "livchat",
             "server", "create", name, "--yes", *options],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self._await_end(name)
        return Journey(tuple(sorted(self._calls(trace, begun), key=lambda call: call.at)))

    def _await_end(self, server: str) -> None:
        """Wait until the server's job has ended on disk; the daemon is not asked."""
        path = self.home / "state" / "livchat.db"
        table = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            deadline = monotonic() + SECONDS
            while monotonic() < deadline:
                found = table.execute("SELECT status FROM jobs WHERE server = ?", (server,))
                status = found.fetchone()[0]
                if status in ENDED:
                    assert status == "completed", status
                    return
                sleep(0.01)
        finally:
            table.close()
        raise AssertionError(f"the job of {server} has not ended in {SECONDS:g} s")

    def _calls(self, command: Path, begun: int) -> Iterator[Call]:
        """The calls of a command, and those of the daemon since, but for its own loops'."""
        until = monotonic_ns()
        yield from _read(command)
        daemon = list(_read(self.trace))
        older = {call.who for call in daemon if call.at < begun} - {"loop", "thread"}
        for call in daemon:
            if begun <= call.at <= until and call.who not in older:
                yield call


@contextmanager
def profiled_daemon(home: Path, tree: Path = ROOT) -> Iterator[ProfiledDaemon]:
    """A profiled daemon that has started and is ended afterwards, with its sandbox."""
    daemon = ProfiledDaemon(home, tree)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.end()


def count(home: Path, tree: Path = ROOT) -> Outcome:
    """Make four servers in a checkout's daemon and sandbox; the first one counts for nothing."""
    with profiled_daemon(home, tree) as daemon:
        daemon.create("warm-up")
        return Outcome(daemon.create("one"), daemon.create("two"), daemon.create("three", "--wait"))


def room(file: str) -> str:
    """The folder or file directly below its package that a file of ours is in, without .py."""
    return file.split("/")[1].removesuffix(".py") if "/" in file else file


def _crosses(caller: str, called: str) -> bool:
    return caller.split("/")[:2] != called.split("/")[:2]


def _knows_key(file: str) -> bool:
    return file.endswith(KEY_FILES)


def _named(files: Iterable[str]) -> str:
    return ", ".join(_short(file) for file in files)


def _short(file: str) -> str:
    """A file as a person reads it: without the daemon's package and the ending."""
    return file.removeprefix("livchatd/").removesuffix(".py")


def _read(trace: Path) -> Iterator[Call]:
    with trace.open(encoding="utf-8") as lines:
        for line in lines:
            # The daemon may be writing: its last line may not be whole yet.
            if line.endswith("\n"):
                yield Call(*json.loads(line))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT
        sys.stdout.write(f"{count(Path(folder) / 'livchat', checkout)}\n")
