"""The parameters of adding a machine of the user's own: its address is resolved, its key kept."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from pydantic import SecretStr

from livchat.errors import InvalidRequest
from livchat.wire.servers import CreateServer
from livchatd.access import new_key, public_line
from livchatd.steps.params import AddServerParams
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import ssh_client_key


async def add_server_params(vault: Vault, request: CreateServer) -> AddServerParams:
    """Return the parameters for the machine at the request's `host`.

    Without a private key in the request one is made, or taken from an earlier try, and is in the
    vault before the job is; the parameters hold its public line only. Raises `InvalidRequest` if
    the host has no IPv4 address or the private key cannot be used.
    """
    host = request.host or ""
    if request.private_key is not None:
        await _public_line(request.private_key)
    return AddServerParams(
        name=request.name,
        host=host,
        ip_address=await _address(host),
        port=request.port or 22,
        user=request.user or "root",
        host_key=request.host_key,
        public_key=None if request.private_key else await _own_public_line(vault, request.name),
    )


async def store_given_key(vault: Vault, request: CreateServer) -> None:
    """Keep the private key that the request brings, if it does."""
    if request.private_key is not None:
        await vault.put(ssh_client_key(request.name), request.private_key)


async def _own_public_line(vault: Vault, name: str) -> str:
    """Return the public line of the key that is made for a server, and kept."""
    made = await asyncio.to_thread(new_key)
    kept = await vault.get_or_make(ssh_client_key(name), lambda: made)
    return f"{await _public_line(kept)} livchat-{name}"


async def _public_line(private: SecretStr) -> str:
    """Return the public line of a private key.

    Raises `InvalidRequest` if it is none, or has a passphrase.
    """
    try:
        return await asyncio.to_thread(public_line, private.get_secret_value())
    except TypeError:
        problem = "has a passphrase, which nobody is there to type"
    except Exception:  # noqa: BLE001 - its message may quote the key
        problem = "is no private key in OpenSSH's format"
    raise InvalidRequest.field(
        "private_key", problem, hint="leave --identity away: LivChat makes a key of its own"
    )


async def _address(host: str) -> str:
    """Return the IPv4 address of a host, for the DNS records of its apps; `InvalidRequest`."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except OSError:
        found = []
    if not found:
        raise InvalidRequest.field("host", f"no IPv4 address is known for {host}")
    return str(found[0][4][0])
