"""What is done before a machine of the user's own is added: its address found, its key kept."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field

from pydantic import SecretStr

from livchat.errors import Invalid
from livchat.wire.servers import CreateServer
from livchatd.steps.params import AddServerOrder
from livchatd.storage.key_pairs import new_key, public_line
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import client_key


@dataclass(frozen=True)
class Adding:
    """Makes the order of a machine to be added, and keeps its key in the vault.

    The key is in the vault before the job is, and nowhere else: not in its order. Under `lock` it
    is kept and the job submitted, so that nobody's key comes in the place of another's.
    """

    vault: Vault
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def order(self, want: CreateServer) -> AddServerOrder:
        """The order; `Invalid` where the host or the key cannot be used."""
        host = want.host or ""
        if want.private_key is not None:
            await _public(want.private_key)
        return AddServerOrder(
            name=want.name,
            host=host,
            ip_address=await _address(host),
            port=want.port or 22,
            user=want.user or "root",
            host_key=want.host_key,
            public_key=None if want.private_key else await self._made(want.name),
        )

    async def keep(self, want: CreateServer) -> None:
        """Keep the key that was given."""
        if want.private_key is not None:
            await self.vault.put(client_key(want.name), want.private_key)

    async def _made(self, name: str) -> str:
        """The public line of a key that is made, or was for an earlier try, and kept."""
        made = await asyncio.to_thread(new_key)
        kept = await self.vault.get_or_make(client_key(name), lambda: made)
        return f"{await _public(kept)} livchat-{name}"


async def _public(private: SecretStr) -> str:
    """The public line of a private key. `Invalid` for what is none, or has a passphrase."""
    try:
        return await asyncio.to_thread(public_line, private.get_secret_value())
    except TypeError:
        problem = "has a passphrase, which nobody is there to type"
    except Exception:  # noqa: BLE001 - whatever it says may quote the key
        problem = "is no private key in OpenSSH's format"
    raise Invalid.field(
        "private_key", problem, hint="leave --identity away: LivChat makes a key of its own"
    )


async def _address(host: str) -> str:
    """The IPv4 address of a host: names of apps will point at it."""
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
        raise Invalid.field("host", f"no IPv4 address is known for {host}")
    return str(found[0][4][0])
