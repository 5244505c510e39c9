"""A server that ends a command and is gone in the same moment: its output is not trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from livchat.errors import ProviderUnavailable
from livchatd.integrations.ssh import Endpoint, SshShells
from livchatd.integrations.ssh_import import asyncssh
from tests.integration.ssh_host import public


class Vanishing(asyncssh.SSHServer):
    """Answers a command, with an exit status, and cuts the connection at once."""

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Any:
        return Answering()


class Answering(asyncssh.SSHServerSession):  # type: ignore[type-arg]
    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def session_started(self) -> None:
        # The exit status is on its way; the end of the output never comes.
        self._channel._send_request(b"exit-status", (0).to_bytes(4, "big"))
        self._channel.get_connection().abort()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    key, mine = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Vanishing, server_host_keys=[key], encoding=None
    )
    identity = mine.export_private_key("openssh").decode()
    yield Endpoint("127.0.0.1", listener.get_port(), "root", identity, public(key))
    listener.close()
    await listener.wait_closed()


async def test_a_command_is_lost_with_its_connection_even_if_its_exit_status_came(
    endpoint: Endpoint,
) -> None:
    async def lookup(_: str) -> Endpoint:
        return endpoint

    shells = SshShells(lookup)
    try:
        shell = await shells.on("prod-01")
        with pytest.raises(ProviderUnavailable, match="was lost while a command ran"):
            await shell.run("df", "-B1", "--output=avail", "/")
    finally:
        await shells.close()
