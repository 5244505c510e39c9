"""How a server is reached: where its SSH answers and with what key, the way to its Portainer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from livchat.errors import NotConfigured, ProviderUnavailable
from livchat.wire.servers import SshAccess
from livchatd.integrations.ssh.interfaces import Endpoint, Shell, Shells
from livchatd.providers.registry import Accounts
from livchatd.storage.inventory import Inventory
from livchatd.storage.key_pairs import fingerprint
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import client_key

PORTAINER = "portainer_portainer"
"""The service; 9000 is its port for plain HTTP, which only the SSH connection carries."""
PORTAINER_PORT = 9000
BRIDGE = "docker_gwbridge"


@dataclass(frozen=True)
class Endpoints:
    """Where servers are spoken to over SSH."""

    inventory: Inventory
    vault: Vault
    accounts: Accounts

    async def access(self, server: str) -> SshAccess:
        """Where its SSH answers, to whom, with what host key; `NotConfigured` if nowhere."""
        record = self.inventory.server(server)
        if record.ip_address is None:
            raise NotConfigured(
                f"'{server}' has no address yet", hint=f"livchat server show {server}"
            )
        reach = await (await self.accounts.provider(record.provider)).reach(record.ip_address)
        return SshAccess(
            server=server,
            host=record.ssh_host or reach.ssh_host,
            port=record.ssh_port or reach.ssh_port,
            user=record.ssh_user,
            host_key=record.host_key,
            host_key_fingerprint=record.host_key_fingerprint,
        )

    async def of(self, server: str) -> Endpoint:
        """The endpoint of a server; `NotConfigured` while it has no address or no key."""
        access = await self.access(server)
        key = await self.vault.require(client_key(server), hint=f"livchat server show {server}")

        async def pin(line: str) -> None:
            await self.inventory.change_server(
                server, host_key=line, host_key_fingerprint=fingerprint(line)
            )

        return Endpoint(
            host=access.host,
            port=access.port,
            user=access.user,
            private_key=key.get_secret_value(),
            host_key=access.host_key,
            fingerprint=access.host_key_fingerprint,
            pin=None if access.host_key else pin,
        )


async def portainer_socket(shells: Shells, server: str) -> Path:
    """A Unix socket whose connections come out at Portainer, which publishes no port.

    Its task is asked for anew each time: after a restart it has another address.
    """
    shell = await shells.on(server)
    return await shell.tunnel(await _bridge_address(shell), PORTAINER_PORT)


async def _bridge_address(shell: Shell) -> str:
    """The address that Portainer's container has on the bridge between its host and its swarm."""
    listed = await shell.run(
        *("docker", "ps", "--no-trunc", "--format", "{{json .}}"),
        *("--filter", f"label=com.docker.swarm.service.name={PORTAINER}"),
    )
    containers = [json.loads(line) for line in listed.stdout.splitlines() if line.strip()]
    running = [found["ID"] for found in containers if found.get("State", "running") == "running"]
    if not running:
        raise ProviderUnavailable("Portainer does not run on the server yet")
    sandbox = await shell.run(
        "docker", "inspect", "--format", "{{.NetworkSettings.SandboxID}}", running[0]
    )
    gateway = f"gateway_{sandbox.stdout.strip()[:12]}"
    bridge = json.loads((await shell.run("docker", "network", "inspect", BRIDGE)).stdout)
    for key, endpoint in bridge[0].get("Containers", {}).items():
        if gateway in (key, endpoint.get("Name")):
            return str(endpoint["IPv4Address"]).partition("/")[0]
    raise ProviderUnavailable("Portainer is not on the server's bridge yet")
