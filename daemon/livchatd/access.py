"""How a server is reached: its SSH endpoint, the keys for it, and the way to its Portainer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from livchat.errors import NotConfigured, ProviderUnavailable
from livchat.wire.servers import SshAccess
from livchatd.integrations.portainer import PortainerApi
from livchatd.integrations.ssh.interfaces import Endpoint, Shell, Shells
from livchatd.providers.registry import ProviderRegistry
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import portainer_password, ssh_client_key

PORTAINER = "portainer_portainer"
"""The service; 9000 is its port for plain HTTP, which only the SSH connection carries."""
PORTAINER_PORT = 9000
BRIDGE = "docker_gwbridge"


@dataclass(frozen=True)
class SshEndpoints:
    """Where servers are spoken to over SSH."""

    inventory: Inventory
    vault: Vault
    providers: ProviderRegistry

    async def access(self, server: str) -> SshAccess:
        """Where its SSH answers, to whom, with what host key; `NotConfigured` if nowhere."""
        record = self.inventory.server(server)
        if record.ip_address is None:
            raise NotConfigured(
                f"'{server}' has no address yet", hint=f"livchat server show {server}"
            )
        reach = await (await self.providers.provider(record.provider)).endpoints(record.ip_address)
        return SshAccess(
            server=server,
            host=record.ssh_host or reach.ssh_host,
            port=record.ssh_port or reach.ssh_port,
            user=record.ssh_user,
            host_key=record.host_key,
            host_key_fingerprint=record.host_key_fingerprint,
        )

    async def endpoint(self, server: str) -> Endpoint:
        """The endpoint of a server; `NotConfigured` while it has no address or no key."""
        access = await self.access(server)
        key = await self.vault.require(ssh_client_key(server), hint=f"livchat server show {server}")

        async def pin(line: str) -> None:
            await self.inventory.pin_host_key(server, line)

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


class Portainers:
    """The Portainer of each server; each is made once, and connects when it is first used."""

    def __init__(self, shells: Shells, vault: Vault, timeout: float) -> None:
        self._shells = shells
        self._vault = vault
        self._timeout = timeout
        self._made: dict[str, PortainerApi] = {}

    def on(self, server: str) -> PortainerApi:
        """Return the Portainer of a server."""
        if server not in self._made:
            tunnel = PortainerTunnel(self._shells, self._vault, server)
            self._made[server] = PortainerApi(
                tunnel.connect, tunnel.password, timeout=self._timeout
            )
        return self._made[server]

    async def close(self) -> None:
        """Close the connections of all."""
        for portainer in self._made.values():
            await portainer.close()


class PortainerTunnel:
    """The SSH tunnel to one Portainer, and its password as the vault had it at the last connect."""

    def __init__(self, shells: Shells, vault: Vault, server: str) -> None:
        self._shells = shells
        self._vault = vault
        self._server = server
        self._password = SecretStr("")

    async def connect(self) -> Path:
        """Return a Unix socket whose connections come out at Portainer."""
        self._password = await self._vault.require(portainer_password(self._server))
        return await portainer_socket(self._shells, self._server)

    def password(self) -> SecretStr:
        """Return the password of its administrator, after `connect`."""
        return self._password


def public_line(private: str) -> str:
    """Return the public key line of a private key, both in OpenSSH's format.

    Raises `TypeError` for a key with a passphrase, `ValueError` for what is no key.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - heavy

    key = form.load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()


def new_key() -> str:
    """Return a new ed25519 private key in OpenSSH's format."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - heavy
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
        .decode()
    )
