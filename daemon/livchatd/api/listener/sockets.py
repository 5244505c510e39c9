"""Where the daemon listens: one instance by its lock, the Unix socket, TCP, systemd's sockets."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import secrets
import socket
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livchat import __version__
from livchat.errors import Conflict, Invalid, LivChatError

if TYPE_CHECKING:
    import ssl

BACKLOG = 1024
FIRST_PASSED = 3
"""The first file descriptor that systemd passes (sd_listen_fds(3))."""


class AlreadyRunning(LivChatError):
    """Another daemon of this installation is alive; `pid` is None where it has not told yet."""

    code = "already_running"

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"a daemon is already running (pid {pid or 'unknown'})")
        self.pid = pid


class Lock:
    """The lock of this installation, held for life; its file says who holds it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise AlreadyRunning(_holder(path)) from error
        self.tell(None)

    def tell(self, tcp: str | None) -> None:
        """Write who we are, and where we listen besides the Unix socket."""
        text = json.dumps({"pid": os.getpid(), "version": __version__, "tcp": tcp})
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def release(self) -> None:
        """Let go; nobody is named any more."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


@dataclass(frozen=True)
class UnixListener:
    """Our Unix socket, and which file it was when we made it; `made` is None if it was passed."""

    socket: socket.socket
    path: Path | None = None
    made: tuple[int, int, int] | None = None

    def remove(self) -> None:
        """Unlink the file, if it is still ours."""
        if self.path is None or self.made is None:
            return
        try:
            found = self.path.stat()
            if _identity(found) == self.made:
                self.path.unlink()
        except FileNotFoundError:
            return


def unix(path: Path) -> UnixListener:
    """Listen at `path`, 0600 from the first moment. Only for who holds the lock.

    Between bind and listen nobody can connect, so the mode is set before anybody could.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        made = path.stat()
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LivChatError(f"cannot listen at {path}: {_why(error)}") from error
    return UnixListener(listener, path, _identity(made))


def tcp(address: str, *, tls: bool) -> socket.socket:
    """Listen at `HOST:PORT`; only loopback without TLS."""
    host, port = split(address)
    if not tls and not _loopback(host):
        raise Invalid.field(
            "--tcp",
            f"{host} can be reached from elsewhere, so it needs TLS",
            hint=f"livchatd --tcp {address} --tls-cert FILE --tls-key FILE",
        )
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise Conflict(f"cannot listen at {address}: {_why(error)}") from error
    return listener


def check_passed(listener: socket.socket, *, tls: bool) -> None:
    """`Invalid` if a TCP socket of systemd's can be reached from elsewhere without TLS."""
    host = listener.getsockname()[0]
    if not tls and not _loopback(host):
        raise Invalid.field(
            "ListenStream",
            f"{host} can be reached from elsewhere, so it needs TLS",
            hint="livchatd --tls-cert FILE --tls-key FILE",
        )


def told(listener: socket.socket) -> str:
    """The address of a TCP socket, as HOST:PORT."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def passed(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd passed to this process, taken out of the environment."""
    meant = environment.pop("LISTEN_PID", "") == str(os.getpid())
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not meant or not count.isdigit():
        return []
    found = []
    for number in range(FIRST_PASSED, FIRST_PASSED + int(count)):
        os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's signature
        listener = socket.socket(fileno=number)
        listener.setblocking(False)  # noqa: FBT003
        found.append(listener)
    return found


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing where it does not listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
        try:
            end.sendto(state.encode(), address)
        except OSError:
            return


def token(path: Path) -> str:
    """The token for TCP, made at first use, 0600."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="utf-8").strip()
        if len(kept) < 16:
            raise LivChatError(
                f"cannot use {path}: it holds no token of 16 characters or more",
                hint=f"rm {path} and start the daemon again",
            ) from None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
        return kept
    made = secrets.token_urlsafe(32)
    with os.fdopen(file, "w", encoding="utf-8") as writer:
        writer.write(made + "\n")
        writer.flush()
        os.fsync(writer.fileno())
    return made


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with this certificate, 1.2 or newer."""
    import ssl  # noqa: PLC0415 - only for TCP with TLS

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise Invalid.field("--tls-cert", f"cannot be used: {_why(error)}") from error
    return context


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    """Which file it is; an inode alone may be used again."""
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _holder(path: Path) -> int | None:
    try:
        pid = json.loads(path.read_text(encoding="utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _clear(path: Path) -> None:
    """Take away the socket of a daemon that is dead: we hold its lock."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LivChatError(
            f"cannot listen at {path}: it is there and is no socket", hint=f"rm {path}"
        )
    path.unlink()


def split(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; `Invalid`."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise Invalid.field(
            "--tcp", f"{address!r} is not HOST:PORT", hint="livchatd --tcp 127.0.0.1:8475"
        )
    return host, int(port)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
