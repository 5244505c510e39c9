"""Reach the daemon: the one that the environment names, else this user's, started if need be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from urllib.parse import urlsplit

from livchat.client import Client
from livchat.errors import DaemonUnreachable, Unauthorized
from livchat.paths import Places, places

START_TIMEOUT = 15.0
"""Seconds that a daemon may take until it answers; it takes 0.6 s."""
LOG_LIMIT = 5_000_000
"""Bytes after which the log is put aside when a daemon is started."""


def connect() -> Client:
    """A client of a daemon that answers; starts one where that is ours to do.

    Raises DaemonUnreachable: LIVCHAT_URL or LIVCHAT_NO_AUTOSTART forbids starting, or it failed.
    """
    client = reach()
    try:
        client.open()
    except DaemonUnreachable:
        if not may_start():
            raise
        start()
    return client


def reach(*, revive: bool = True) -> Client:
    """A client of the daemon, which may not be there; LIVCHAT_URL comes first.

    With `revive` it starts another daemon where the one that it spoke to has died.
    """
    url = os.environ.get("LIVCHAT_URL")
    if not url:
        return Client(
            socket_path=str(places().socket), revive=start if revive and may_start() else None
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DaemonUnreachable(
            f"LIVCHAT_URL: {url!r} is not an http or https address",
            hint="export LIVCHAT_URL=http://127.0.0.1:8475",
        )
    return Client(url=url.rstrip("/"), token=_token())


def may_start() -> bool:
    """May a command start the daemon? Not one that somebody else runs."""
    return not os.environ.get("LIVCHAT_URL") and os.environ.get("LIVCHAT_NO_AUTOSTART") != "1"


def start(arguments: list[str] | None = None) -> None:
    """Start the daemon, detached, and wait until it answers; fine where another is starting."""
    where = places()
    where.create()
    command = [sys.executable, "-P", "-m", "livchatd", *(arguments or [])]
    deadline = monotonic() + START_TIMEOUT
    while True:
        begin = _put_aside(where.log)
        daemon = _spawn(command, where)
        if _answers(where, daemon, deadline):
            return
        if daemon.returncode not in (None, 0) or monotonic() >= deadline:
            raise _stillborn(where.log, begin)


def _answers(where: Places, daemon: subprocess.Popen[bytes], deadline: float) -> bool:
    """Does the socket answer in time? A daemon that ended gives another one a second to."""
    client = Client(socket_path=str(where.socket))
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


def _spawn(command: list[str], where: Places) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    # It lives in a folder of its own, so that relative paths would mean something else there.
    if home := environment.get("LIVCHAT_HOME"):
        environment["LIVCHAT_HOME"] = str(Path(home).expanduser().absolute())
    if search := environment.get("PYTHONPATH"):
        parts = [str(Path(part).absolute()) for part in search.split(os.pathsep) if part]
        environment["PYTHONPATH"] = os.pathsep.join(parts)
    log = os.open(where.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=where.state,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(log)


def _put_aside(log: Path) -> int:
    """Where in the log the next daemon begins to write; a long log is put aside first."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size <= LOG_LIMIT:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _stillborn(log: Path, begin: int) -> DaemonUnreachable:
    """Why a daemon did not start, in its own last words."""
    with log.open("rb") as file:
        file.seek(begin)
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
