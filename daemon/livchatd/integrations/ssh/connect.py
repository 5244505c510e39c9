"""Dial a server over SSH: one key, one pinned host key, nothing from ~/.ssh."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from livchat.errors import HostKeyChanged, LivChatError, ProviderError, ProviderUnavailable
from livchatd.integrations.ssh.asyncssh_import import asyncssh

if TYPE_CHECKING:
    from livchatd.integrations.ssh.interfaces import Endpoint

CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Before all others: a fifth of the work of ChaCha20, which asyncssh puts together in Python."""
KEEPALIVE = 15
"""Seconds between signs of life; after three without an answer the connection is lost."""


class _FirstUse(asyncssh.SSHClient):
    """Takes the host key that it is shown, and keeps it to be pinned.

    With a `fingerprint` it takes the key that has it, and no other.
    """

    def __init__(self, fingerprint: str | None) -> None:
        self.shown: asyncssh.SSHKey | None = None
        self._fingerprint = fingerprint

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        self.shown = key
        return self._fingerprint in {None, key.get_fingerprint("sha256")}


async def dial(server: str, endpoint: Endpoint, patience: float) -> asyncssh.SSHClientConnection:
    """A connection that is logged in, `patience` seconds for key exchange and login included.

    `HostKeyChanged`, `ProviderError` (the key is refused, or cannot be read) or
    `ProviderUnavailable` (refused, reset, time-out).
    """
    trust = _FirstUse(endpoint.fingerprint)
    pinned = _public_key(server, endpoint.host_key) if endpoint.host_key else None
    try:
        connection = await asyncssh.connect(
            endpoint.host,
            endpoint.port,
            username=endpoint.user,
            client_keys=[_private_key(server, endpoint.private_key)],
            client_factory=asyncssh.SSHClient if pinned else lambda: trust,
            known_hosts=([pinned] if pinned else [], [], []),
            server_host_key_algs=_algorithms(pinned) if pinned else "default",
            preferred_auth="publickey",
            agent_path=None,
            config=None,
            x509_trusted_certs=None,
            compression_algs=None,
            encryption_algs=CIPHERS,
            connect_timeout=patience,
            login_timeout=patience,
            keepalive_interval=KEEPALIVE,
            keepalive_count_max=3,
        )
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise _explain(server, endpoint, error) from error
    if trust.shown is not None and endpoint.pin is not None:
        await endpoint.pin(trust.shown.export_public_key("openssh").decode().strip())
    return connection


def _private_key(server: str, text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ProviderError(
            f"the private key for {server} cannot be read: {error}",
            hint=f"livchat server add {server} --identity FILE",
        ) from None


def _public_key(server: str, line: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(line)
    except asyncssh.KeyImportError as error:
        raise ProviderError(f"the host key pinned for {server} cannot be read: {error}") from None


def _algorithms(pinned: asyncssh.SSHKey) -> list[str]:
    """The pinned key's algorithms first, then all others.

    Asking for the pinned kind alone, a server that has only another kind hangs up, which looks like
    a lost connection; offered all, it shows its key, and that the key is another one is certain.
    """
    own = [name.decode() for name in pinned.sig_algorithms]
    others = [name.decode() for name in asyncssh.public_key.get_default_public_key_algs()]
    return own + [name for name in others if name not in own]


def _explain(server: str, endpoint: Endpoint, error: Exception) -> LivChatError:
    where = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyChanged(
            f"{server} ({where}) shows another host key than the pinned one: "
            "another machine may answer at its address",
            hint=f"livchat server show {server}",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return ProviderError(
            f"{server} ({where}) refuses our key for user {endpoint.user}",
            hint=f"livchat server add {server} --user USER --identity FILE",
        )
    return ProviderUnavailable(f"{server} ({where}) does not answer over SSH: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (str(error) or type(error).__name__).splitlines()[0]
