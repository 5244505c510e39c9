"""Shells over real SSH connections on loopback: identity, sharing, loss, tunnels."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from livchat.asyncssh_guard import asyncssh
from livchat.errors import (
    CommandFailed,
    HostKeyChanged,
    ProviderError,
    ProviderUnavailable,
    TimedOut,
)
from livchat.paths import SOCKET_LIMIT
from livchatd.integrations.ssh.interfaces import Endpoint
from livchatd.integrations.ssh.shells import SshShells
from tests.integration.integrations.ssh_host import Book, Host, public

# -- identity


async def test_the_first_host_key_is_pinned_and_the_pin_holds(
    host: Host, book: Book, shells: SshShells
) -> None:
    pinned: list[str] = []

    async def pin(line: str) -> None:
        pinned.append(line)

    book.endpoint = host.endpoint(host_key=None, pin=pin)
    await shells.on("prod-01")
    assert pinned == [public(host.keys[0])]
    await shells.drop("prod-01")
    book.endpoint = host.endpoint(host_key=pinned[0], pin=pin)
    await shells.on("prod-01")
    assert len(pinned) == 1


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
async def test_another_host_key_is_refused_whatever_its_kind(
    kind: str, host: Host, book: Book, shells: SshShells
) -> None:
    book.endpoint = host.endpoint(host_key=public(asyncssh.generate_private_key(kind)))
    with pytest.raises(HostKeyChanged) as told:
        await shells.on("prod-01")
    assert told.value.hint == "livchat server show prod-01"
    assert host.logins == 0


async def test_the_pinned_key_is_asked_for_where_the_server_has_several(
    shells: SshShells, book: Book
) -> None:
    several = Host()
    several.keys = [
        asyncssh.generate_private_key("ssh-ed25519"),
        asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
    ]
    await several.start()
    try:
        for key in several.keys:
            book.endpoint = several.endpoint(host_key=public(key))
            await shells.on("prod-01")
            await shells.drop("prod-01")
    finally:
        await several.stop()


async def test_a_refused_key_says_so_and_nothing_is_pinned(
    host: Host, book: Book, shells: SshShells
) -> None:
    pinned: list[str] = []

    async def pin(line: str) -> None:
        pinned.append(line)

    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
    book.endpoint = host.endpoint(private_key=stranger, host_key=None, pin=pin)
    with pytest.raises(ProviderError, match="refuses our key for user root") as told:
        await shells.on("prod-01")
    assert not told.value.transient
    assert told.value.hint is not None
    assert pinned == []


async def test_a_key_that_cannot_be_read_is_told_without_showing_it(
    host: Host, book: Book, shells: SshShells
) -> None:
    book.endpoint = host.endpoint(private_key="-----BEGIN s3cret-----")
    with pytest.raises(ProviderError) as told:
        await shells.on("prod-01")
    assert "s3cret" not in f"{told.value} {told.value.details}"


async def test_a_closed_port_is_a_passing_failure(book: Book, shells: SshShells) -> None:
    gone = Host()
    await gone.start()
    await gone.stop()
    book.endpoint = gone.endpoint()
    with pytest.raises(ProviderUnavailable, match="connection refused") as told:
        await shells.on("prod-01")
    assert told.value.transient


async def test_a_port_that_hangs_up_is_a_passing_failure(book: Book, shells: SshShells) -> None:
    async def hang_up(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    book.endpoint = Endpoint(
        "127.0.0.1",
        server.sockets[0].getsockname()[1],
        "root",
        book.endpoint.private_key,
        book.endpoint.host_key,
    )
    with pytest.raises(ProviderUnavailable):
        await shells.on("prod-01")
    server.close()
    await server.wait_closed()


# -- commands


async def test_arguments_arrive_as_they_were_given(host: Host, shells: SshShells) -> None:
    async def echo(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        process = await asyncio.create_subprocess_shell(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stdout, _ = await process.communicate(stdin)
        return stdout, b"", process.returncode or 0

    host.answers = echo
    shell = await shells.on("prod-01")
    nasty = ["; touch /tmp/owned", "$(id)", "`id`", "a'b\"c", "new\nline", "", "é ☃", "--x", "*"]
    output = await shell.run("printf", r"%s\0", *nasty)
    assert output.stdout.split("\0")[:-1] == nasty
    assert (await shell.run("cat", stdin="ç secret\n")).stdout == "ç secret\n"


async def test_a_failure_tells_the_program_its_exit_and_its_last_words(
    host: Host, shells: SshShells
) -> None:
    shell = await shells.on("prod-01")
    with pytest.raises(
        CommandFailed, match=r"^cat on prod-01 ended with 1: .*No such file"
    ) as told:
        await shell.run("cat", "/nowhere")
    assert told.value.details["exit_code"] == 1
    assert (await shell.run("cat", "/nowhere", check=False)).exit_code == 1
    assert await shell.succeeds("true")
    assert not await shell.succeeds("cat", "/nowhere")


async def test_files_are_written_and_read_back(shells: SshShells) -> None:
    shell = await shells.on("prod-01")
    assert await shell.read("/etc/docker/daemon.json") is None
    await shell.write("/etc/docker/daemon.json", '{"é": 1}\n', "0600")
    assert await shell.read("/etc/docker/daemon.json") == '{"é": 1}\n'


async def test_output_that_is_not_utf8_is_no_failure(host: Host, shells: SshShells) -> None:
    async def binary(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        return b"ok \xff\xfe", b"", 0

    host.answers = binary
    assert (await (await shells.on("prod-01")).run("true")).stdout == "ok \ufffd\ufffd"


async def test_a_command_that_takes_too_long_is_timed_out(host: Host, shells: SshShells) -> None:
    never = asyncio.Event()

    async def hang(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        await never.wait()
        return b"", b"", 0

    host.answers = hang
    shell = await shells.on("prod-01")
    with pytest.raises(TimedOut, match=r"true on prod-01 took longer than 0\.1 s"):
        await shell.run("true", timeout=0.1)
    never.set()


async def test_a_cancelled_command_is_waited_for(host: Host, shells: SshShells) -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        began.set()
        await may_end.wait()
        ended.set()
        return b"", b"", 0

    host.answers = slow
    shell = await shells.on("prod-01")
    call = asyncio.create_task(shell.run("true"))
    await began.wait()
    call.cancel()
    call.cancel()
    await asyncio.sleep(0.05)
    assert not call.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()


# -- one connection


async def test_callers_share_one_connection_and_at_most_eight_channels(
    host: Host, shells: SshShells
) -> None:
    full = asyncio.Event()

    async def slow(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        # The first stay until eight are at work, and then for as long as a ninth could come.
        if host.at_once == 8:
            full.set()
        await asyncio.wait_for(full.wait(), 20)
        await asyncio.sleep(0.02)
        return b"", b"", 0

    host.answers = slow
    made = await asyncio.gather(*(shells.on("prod-01") for _ in range(20)))
    await asyncio.gather(*(shell.run("true") for shell in made for _ in range(2)))
    assert host.logins == 1
    assert len(host.lines) == 40
    assert host.most_at_once == 8


async def test_a_lost_connection_is_made_again_for_the_next_command(
    host: Host, book: Book, shells: SshShells
) -> None:
    shell = await shells.on("prod-01")
    assert await shell.succeeds("true")
    await host.cut()
    assert await shell.succeeds("true")
    assert (host.logins, book.asked) == (2, 2)


async def test_a_command_whose_connection_is_lost_while_it_runs_is_not_sent_again(
    host: Host, shells: SshShells
) -> None:
    async def cut(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        await host.cut()
        return b"", b"", 0

    host.answers = cut
    shell = await shells.on("prod-01")
    with pytest.raises(ProviderUnavailable, match="was lost while a command ran"):
        await shell.run("docker", "swarm", "leave", "--force")
    assert len(host.lines) == 1


async def test_a_dropped_server_is_looked_up_anew(
    host: Host, book: Book, shells: SshShells
) -> None:
    await shells.on("prod-01")
    await shells.drop("prod-01")
    await shells.drop("prod-01")
    await shells.on("prod-01")
    assert book.asked == 2


async def test_nothing_connects_any_more_once_the_shells_are_closed(shells: SshShells) -> None:
    shell = await shells.on("prod-01")
    await shells.close()
    with pytest.raises(ProviderUnavailable):
        await shell.run("true")
    with pytest.raises(ProviderUnavailable):
        await shells.on("prod-01")


# -- tunnels


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"from the server: " + await reader.readline())
    await writer.drain()
    writer.close()


async def _through(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"hello\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.fixture
async def service() -> AsyncIterator[int]:
    """A service on the server that no port of it is open for; the port."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_a_tunnel_leads_to_the_port_and_is_made_again_when_lost(
    host: Host, shells: SshShells, service: int
) -> None:
    shell = await shells.on("prod-01")
    paths = await asyncio.gather(*(shell.tunnel("127.0.0.1", service) for _ in range(3)))
    assert len(set(paths)) == 1
    path = paths[0]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) <= SOCKET_LIMIT
    assert await _through(path) == b"from the server: hello\n"
    await host.cut()
    async with asyncio.timeout(20):
        # Until the loss is noticed here, the path is the old one.
        while (again := await shell.tunnel("127.0.0.1", service)) == path:
            await asyncio.sleep(0.01)
    assert not path.exists()
    assert await _through(again) == b"from the server: hello\n"
    await shells.close()
    assert not again.parent.exists()


# -- the import


def test_importing_asyncssh_leaves_dev_null_a_device() -> None:
    program = (
        "import sys, livchatd.integrations.ssh.shells\n"
        "assert 'asyncssh' not in sys.modules, 'imported at start'\n"
        "import ctypes.util; before = ctypes.util.find_library\n"
        "from livchat.asyncssh_guard import asyncssh\n"
        "assert ctypes.util.find_library is before\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=env, timeout=60)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
