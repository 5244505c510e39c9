"""What the steps work with: providers, shells, DNS, Portainer, inventory, vault, catalog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from livchat.errors import NotConfigured
from livchatd.catalog.catalog import Catalog
from livchatd.installation import Home
from livchatd.integrations.cloudflare import Dns
from livchatd.integrations.dns_resolver import Lookup
from livchatd.integrations.portainer import Portainer
from livchatd.integrations.ssh.interfaces import Shell, Shells
from livchatd.providers.base import Provider, Reach
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault

SHORTEST = 0.005
"""Seconds that every pause takes at least, so that no wait becomes a busy loop."""

Probe = Callable[[Reach, str, str], Awaitable[int]]
"""Asks a site through its front, by reach, host and path: the HTTP status, 0 without an answer."""


@dataclass(frozen=True)
class Tools:
    """The parts of the daemon that steps use.

    `dns` gives the DNS account for servers of a provider, by its name; `portainer` the Portainer
    of a server, by its name: the same object each time, closed by whoever made it. `pace`
    multiplies the pause between two looks at something: 1 is real time, 0 hardly any.
    """

    providers: Mapping[str, Provider]
    inventory: Inventory
    vault: Vault
    catalog: Catalog
    shells: Shells
    dns: Callable[[str], Awaitable[Dns]]
    portainer: Callable[[str], Portainer]
    probe: Probe
    lookup: Lookup
    home: Home
    pace: float = 1.0

    def provider(self, name: str) -> Provider:
        """A provider; `NotConfigured` if there is none of that name."""
        try:
            return self.providers[name]
        except KeyError:
            raise NotConfigured(
                f"the provider '{name}' is not configured", hint=f"livchat config provider {name}"
            ) from None

    async def shell(self, server: str) -> Shell:
        """The shell of a server; raises what connecting may raise."""
        return await self.shells.on(server)

    def address(self, server: str) -> str:
        """The public address of a server; `NotConfigured` before it has one."""
        ip = self.inventory.server(server).ip_address
        if ip is None:
            raise NotConfigured(
                f"'{server}' has no address yet", hint=f"livchat server show {server}"
            )
        return ip

    async def looks(
        self, within: float, *, first: float = 0.5, most: float = 2.0
    ) -> AsyncIterator[float]:
        """Seconds since the first look, once for each look, until `within` seconds have passed.

        Between two looks it pauses: `first` seconds, then longer each time, up to `most`.
        """
        began, pause = monotonic(), first
        while (since := monotonic() - began) < within:
            yield since
            await asyncio.sleep(max(pause * self.pace, SHORTEST))
            pause = min(pause * 1.5, most)
