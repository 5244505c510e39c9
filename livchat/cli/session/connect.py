"""Connections to the daemon: the one at LIVCHAT_URL, else this user's, which is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from urllib.parse import urlsplit

from livchat.client.client import Client
from livchat.errors import DaemonUnreachable, Unauthorized
from livchat.paths import Paths, paths

START_TIMEOUT = 15.0
"""Seconds that a daemon may take until it answers; it takes 0.6 s."""
LOG_LIMIT = 5_000_000
"""Bytes of the log above which it is moved away when a daemon is started."""


def connect() -> Client:
    """A client that is connected; starts this user's daemon where there is none.

    Raises DaemonUnreachable where LIVCHAT_URL or LIVCHAT_NO_AUTOSTART forbids to start one, or the
    start fails.
    """
    client = reach()
    try:
        client.open()
    except DaemonUnreachable:
        if not may_start():
            raise
        start()
    return client


def reach(*, restart: bool = True) -> Client:
    """A client that is not connected yet, of the daemon at LIVCHAT_URL or else of this user's.

    With `restart` the client starts another daemon where the one that it spoke to has died.
    """
    url = os.environ.get("LIVCHAT_URL")
    if not url:
        return Client(
            socket_path=str(paths().socket), restart=start if restart and may_start() else None
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DaemonUnreachable(
            f"LIVCHAT_URL: {url!r} is not an http or https address",
            hint="export LIVCHAT_URL=http://127.0.0.1:8475",
        )
    return Client(url=url.rstrip("/"), token=_token())


def may_start() -> bool:
    """Whether a command may start the daemon: not one that somebody else runs."""
    return not os.environ.get("LIVCHAT_URL") and os.environ.get("LIVCHAT_NO_AUTOSTART") != "1"


def start(arguments: list[str] | None = None) -> None:
    """Start the daemon, detached, and wait until it answers; another may be starting meanwhile."""
    here = paths()
    here.create()
    command = [sys.executable, "-P", "-m", "livchatd", *(arguments or [])]
    deadline = monotonic() + START_TIMEOUT
    while True:
        log_offset = _rotate(here.log)
        daemon = _spawn(command, here)
        if _answers(here, daemon, deadline):
            return
        if daemon.returncode not in (None, 0) or monotonic() >= deadline:
            raise _start_failure(here.log, log_offset)


def _answers(here: Paths, daemon: subprocess.Popen[bytes], deadline: float) -> bool:
    """Whether the socket answers in time; where the daemon ended, another one has a second to."""
    client = Client(socket_path=str(here.socket))
    ended = False
    try:
        while monotonic() < deadline:
            try:
                client.open()
            except DaemonUnreachable:
                sleep(0.02)
            else:
                return True
            if not ended and daemon.poll() is not None:
                ended, deadline = True, min(deadline, monotonic() + (0 if daemon.returncode else 1))
    finally:
        client.close()
    return False


def _spawn(command: list[str], here: Paths) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    # Its working directory is another, where relative paths would mean something else.
    if home := environment.get("LIVCHAT_HOME"):
        environment["LIVCHAT_HOME"] = str(Path(home).expanduser().absolute())
    if search := environment.get("PYTHONPATH"):
        parts = [str(Path(part).absolute()) for part in search.split(os.pathsep) if part]
        environment["PYTHONPATH"] = os.pathsep.join(parts)
    log = os.open(here.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=here.state,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(log)


def _rotate(log: Path) -> int:
    """Where in the log the next daemon begins to write; a long log is moved away first."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size <= LOG_LIMIT:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _start_failure(log: Path, offset: int) -> DaemonUnreachable:
    """Why a daemon did not start: the last lines that it wrote after `offset` in the log."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").strip().splitlines()
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    reasons = [line for line in lines if not line.startswith("hint: ")]
    reason = reasons[-1].strip().removeprefix("error: ") if reasons else "it said nothing"
    return DaemonUnreachable(
        f"the daemon did not start: {reason}", hint=hints[-1] if hints else "livchat daemon run"
    )


def _token() -> str | None:
    path = os.environ.get("LIVCHAT_TOKEN_FILE")
    if not path:
        return None
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Unauthorized(
            f"LIVCHAT_TOKEN_FILE: cannot read {path}: {(error.strerror or '').lower()}",
            hint="export LIVCHAT_TOKEN_FILE=PATH",
        ) from error
