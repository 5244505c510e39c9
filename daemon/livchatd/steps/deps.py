"""What the workflows hand on to their steps, by subject: each group holds what its steps use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livchatd.catalog.catalog import Catalog
from livchatd.installation import Installation
from livchatd.integrations.dns_resolver import DnsResolver
from livchatd.integrations.portainer import Portainer
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.providers.base import Provider
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault

Portainers = Callable[[str], Portainer]
"""Returns the Portainer of a server, by the server's name: the same object each time."""


class Providers(Protocol):
    """The providers that can be used now."""

    def configured(self, name: str) -> Provider:
        """Return a provider by its name; `NotConfigured` if its token is not known."""


@dataclass(frozen=True, kw_only=True)
class ServerDeps:
    """What it takes to buy, add, reach and delete the machine behind a server."""

    inventory: Inventory
    vault: Vault
    providers: Providers
    shells: Shells
    dns: ServerDns
    installation: Installation


@dataclass(frozen=True, kw_only=True)
class SetupDeps:
    """What it takes to make a swarm of a server, with the base stacks on it."""

    inventory: Inventory
    vault: Vault
    providers: Providers
    shells: Shells
    catalog: Catalog
    portainers: Portainers


@dataclass(frozen=True, kw_only=True)
class AppDeps(SetupDeps):
    """What it takes to deploy apps on a swarm and to delete them: their names come in addition."""

    dns: ServerDns
    resolver: DnsResolver
