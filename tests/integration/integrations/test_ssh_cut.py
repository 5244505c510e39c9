"""A server that goes while a command begins or ends: its word is not taken, nor waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from livchat.asyncssh_guard import asyncssh
from livchat.errors import ProviderUnavailable
from livchatd.integrations.ssh.interfaces import Endpoint, Shell
from livchatd.integrations.ssh.shells import SshShells
from tests.integration.integrations.ssh_host import public


class Vanishing(asyncssh.SSHServer):
    """Answers a command, with an exit status, and cuts the connection at once."""

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Any:
        return Answering()


class Refusing(Vanishing):
    """Cuts the connection when a command is about to be sent."""

    def connection_made(self, conn: Any) -> None:
        self._connection = conn

    def session_requested(self) -> Any:
        self._connection.abort()
        return False


class Answering(asyncssh.SSHServerSession):  # type: ignore[type-arg]
    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def session_started(self) -> None:
        # The exit status is on its way; the end of the output never comes.
        self._channel._send_request(b"exit-status", (0).to_bytes(4, "big"))
        self._channel.get_connection().abort()


@asynccontextmanager
async def shell_of(server: type[Vanishing]) -> AsyncIterator[Shell]:
    """A shell whose server is one of these."""
    key, mine = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=server, server_host_keys=[key], encoding=None
    )
    identity = mine.export_private_key("openssh").decode()
    endpoint = Endpoint("127.0.0.1", listener.get_port(), "root", identity, public(key))

    async def lookup(_: str) -> Endpoint:
        return endpoint

    shells = SshShells(lookup)
    try:
        yield await shells.on("prod-01")
    finally:
        await shells.close()
        listener.close()
        await listener.wait_closed()


async def test_a_command_is_lost_with_its_connection_even_if_its_exit_status_came() -> None:
    async with shell_of(Vanishing) as shell:
        with pytest.raises(ProviderUnavailable, match="was lost while a command ran"):
            await shell.run("df", "-B1", "--output=avail", "/")


async def test_a_connection_that_is_gone_is_not_waited_for_as_a_crowded_one_is() -> None:
    async with shell_of(Refusing) as shell, asyncio.timeout(8):
        with pytest.raises(ProviderUnavailable, match="is lost again and again"):
            await shell.run("true")
