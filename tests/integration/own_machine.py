"""Machines that somebody has already: rented in a sandbox of its own, unknown to any daemon."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from dataclasses import dataclass
from time import monotonic, sleep  # noqa: TID251 - a test waits for a machine to boot
from typing import Any

from livchat.asyncssh_guard import asyncssh
from tests.contract.sandbox_process import SandboxProcess

BOOT_SECONDS = 30


@dataclass(frozen=True)
class Machine:
    """One of them: where its SSH answers, and the private key that opens it."""

    name: str
    port: int
    private: str

    def order(self, **more: Any) -> dict[str, Any]:
        """The request that adds it."""
        found = {"name": self.name, "provider": "own", "host": "127.0.0.1", "port": self.port}
        return {**found, "private_key": self.private, **more}

    def run(self, *lines: str) -> list[str]:
        """What commands print there, without LivChat; each in a session of its own."""
        return [told for told, _ in asyncio.run(self._run(lines))]

    def complaint(self, line: str) -> str:
        """What a command prints on standard error."""
        ((_, said),) = asyncio.run(self._run((line,)))
        return said

    def write(self, path: str, text: str) -> None:
        """Put a file there."""
        line = f"install -D -m 0644 /dev/stdin {path}"
        assert asyncio.run(self._run((line,), text)) == [("", "")]

    async def _run(self, lines: tuple[str, ...], text: str = "") -> list[tuple[str, str]]:
        key = asyncssh.import_private_key(self.private)
        async with asyncssh.connect(
            "127.0.0.1", self.port, username="root", client_keys=[key], known_hosts=None,
            config=None, agent_path=None,
        ) as connection:  # fmt: skip
            found = [await connection.run(line, input=text or None) for line in lines]
            return [(str(one.stdout), str(one.stderr)) for one in found]

    def host_key(self) -> str:
        """Its public host key, as it shows it."""
        return asyncio.run(self._host_key())

    async def _host_key(self) -> str:
        key: Any = await asyncssh.get_server_host_key("127.0.0.1", self.port)
        return str(key.export_public_key("openssh").decode().strip())


class Landlord:
    """Rents machines in a sandbox, through its Hetzner API."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.private = asyncssh.generate_private_key("ssh-ed25519")
        self.public = self.private.export_public_key("openssh").decode().strip()
        self._key: int | None = None

    def rent(
        self, name: str = "mine", image: str = "debian-12", kind: str = "cx23", user_data: str = ""
    ) -> Machine:
        """A machine that has booted."""
        if self._key is None:
            made = self._post("/ssh_keys", {"name": "landlord", "public_key": self.public})
            self._key = made["ssh_key"]["id"]
        order = {
            "name": name, "server_type": kind, "image": image, "location": "nbg1",
            "ssh_keys": [self._key], "user_data": user_data,
        }  # fmt: skip
        server = self._post("/servers", order)["server"]
        port = self._port(server["public_net"]["ipv4"]["ip"])
        return Machine(name, port, self.private.export_private_key("openssh").decode())

    def _port(self, ip: str) -> int:
        deadline = monotonic() + BOOT_SECONDS
        while monotonic() < deadline:
            port = int(self.sandbox.control(f"where/{ip}")["ssh_port"])
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            sleep(0.02)
        raise AssertionError(f"{ip} does not answer")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        address = self.sandbox.address
        headers = {"Authorization": f"Bearer {address['token']}"}
        headers["Content-Type"] = "application/json"
        url = f"{address['hetzner'].rstrip('/')}{path}"
        data = json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
            return found


def user(name: str, public: str, *, sudo: bool) -> str:
    """The cloud-config of a machine with a user beside root."""
    account = {"name": name, "ssh_authorized_keys": [public]}
    if sudo:
        account["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
    return "#cloud-config\n" + json.dumps({"users": ["default", account]})
