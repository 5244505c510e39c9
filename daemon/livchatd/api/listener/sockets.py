"""The daemon's lock and listening sockets: the Unix socket, TCP, and those that systemd passes."""

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
from livchat.errors import Conflict, InvalidRequest, LivChatError

if TYPE_CHECKING:
    import ssl

BACKLOG = 1024
FIRST_PASSED_DESCRIPTOR = 3
"""The first file descriptor that systemd passes (sd_listen_fds(3))."""


class AlreadyRunning(LivChatError):
    """Another daemon of this installation is alive; `pid` is None until it has written its own."""

    code = "already_running"

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"a daemon is already running (pid {pid or 'unknown'})")
        self.pid = pid


class Lock:
    """The lock of an installation, held while the daemon lives; its file names the holder.

    Raises `AlreadyRunning` if another daemon holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise AlreadyRunning(_holder(path)) from error
        self.write_holder(None)

    def write_holder(self, tcp: str | None) -> None:
        """Write this process and its version into the file, and its TCP address if it has one."""
        text = json.dumps({"pid": os.getpid(), "version": __version__, "tcp": tcp})
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def release(self) -> None:
        """Release the lock, and empty its file."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


@dataclass(frozen=True)
class UnixListener:
    """The Unix socket, its path and its file's identity; one of systemd's has neither of these."""

    socket: socket.socket
    path: Path | None = None
    identity: tuple[int, int, int] | None = None

    def remove(self) -> None:
        """Delete the socket's file, unless another has taken its place."""
        if self.path is None or self.identity is None:
            return
        try:
            found = self.path.stat()
            if _identity(found) == self.identity:
                self.path.unlink()
        except FileNotFoundError:
            return


def unix(path: Path) -> UnixListener:
    """Listen at `path`, with mode 0600; for the holder of the lock only.

    The mode is set between bind and listen, when nobody can connect yet. Raises `LivChatError`.
    """
    _remove_dead_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        made = path.stat()
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LivChatError(f"cannot listen at {path}: {_reason(error)}") from error
    return UnixListener(listener, path, _identity(made))


def tcp(address: str, *, tls: bool) -> socket.socket:
    """Listen at `HOST:PORT`.

    Raises `InvalidRequest` for an address other than loopback without TLS, and `Conflict` if the
    address cannot be used.
    """
    host, port = split_address(address)
    if not tls and not _loopback(host):
        raise InvalidRequest.field(
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
        raise Conflict(f"cannot listen at {address}: {_reason(error)}") from error
    return listener


def check_systemd_socket(listener: socket.socket, *, tls: bool) -> None:
    """Raise `InvalidRequest` if a TCP socket of systemd's is not on loopback and has no TLS."""
    host = listener.getsockname()[0]
    if not tls and not _loopback(host):
        raise InvalidRequest.field(
            "ListenStream",
            f"{host} can be reached from elsewhere, so it needs TLS",
            hint="livchatd --tls-cert FILE --tls-key FILE",
        )


def address_text(listener: socket.socket) -> str:
    """Return the address of a TCP socket as HOST:PORT."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def systemd_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passed to this process; removes them from `environment`."""
    for_us = environment.pop("LISTEN_PID", "") == str(os.getpid())
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not for_us or not count.isdigit():
        return []
    found = []
    for number in range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + int(count)):
        os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's signature
        listener = socket.socket(fileno=number)
        listener.setblocking(False)  # noqa: FBT003
        found.append(listener)
    return found


def notify(state: str) -> None:
    """Send systemd a state of the service (sd_notify(3)), if it waits for one."""
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
    """Return the token for TCP in this file, which is made at the first use, with mode 0600.

    Raises `LivChatError` if the file holds no token.
    """
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
    """Return a context for TLS 1.2 or newer with this certificate; `InvalidRequest`."""
    import ssl  # noqa: PLC0415 - only for TCP with TLS

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise InvalidRequest.field("--tls-cert", f"cannot be used: {_reason(error)}") from error
    return context


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    """Return what tells one file from another; an inode number alone may be used again."""
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _holder(path: Path) -> int | None:
    try:
        pid = json.loads(path.read_text(encoding="utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _remove_dead_socket(path: Path) -> None:
    """Delete the socket of a dead daemon: this process holds the lock. Raises `LivChatError`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LivChatError(
            f"cannot listen at {path}: it is there and is no socket", hint=f"rm {path}"
        )
    path.unlink()


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; `InvalidRequest`."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise InvalidRequest.field(
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


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
