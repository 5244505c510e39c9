"""Long commands over SSH as units: their lines, their end, connections lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from livchat.errors import (
    CommandFailed,
    TimedOut,
)
from livchatd.integrations.ssh.shells import SshShells
from livchatd.integrations.ssh.systemd_unit import LineSplitter
from tests.integration.integrations.ssh_host import Book, Host, until

UNIT = "livchat-job-install"
LOG = f"/var/log/livchat/{UNIT}.log"
UPDATE = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "update")


async def test_a_unit_gives_its_lines_and_is_cleared_away(host: Host, shells: SshShells) -> None:
    lines: list[str] = []
    shell = await shells.on("prod-01")
    await shell.unit(UNIT, *UPDATE, on_line=lines.append, environment={"A": "b c"})
    assert lines
    assert lines == (host.machine.files.read(LOG) or "").splitlines()
    assert UNIT not in host.machine.units
    assert sum("--setenv=A=b c" in line for line in host.lines) == 1
    await shell.unit(UNIT, *UPDATE, on_line=lines.append)
    assert len(lines) == 2 * len((host.machine.files.read(LOG) or "").splitlines())


async def test_a_unit_that_fails_tells_its_last_lines_and_can_be_run_again(
    host: Host, shells: SshShells
) -> None:
    shell = await shells.on("prod-01")
    for _ in range(2):
        with pytest.raises(CommandFailed, match=rf"{UNIT} ended with 1 \(exit-code\)") as told:
            await shell.unit(UNIT, "cat", "/nowhere", on_line=lambda line: None)
        assert told.value.details["exit_code"] == 1
        assert "No such file" in told.value.details["lines"][-1]
    assert UNIT not in host.machine.units


@pytest.fixture
async def slow_host(book: Book) -> AsyncIterator[Host]:
    """A host on which an update takes long enough to be disturbed."""
    made = Host(scale=0.1)
    await made.start()
    book.endpoint = made.endpoint()
    yield made
    await made.stop()


@pytest.fixture
async def endless_host(book: Book) -> AsyncIterator[Host]:
    """A host on which an update goes on until it is told to end."""
    made = Host(scale=1000)
    await made.start()
    book.endpoint = made.endpoint()
    yield made
    await made.stop()


async def test_a_unit_survives_a_connection_that_is_lost_again_and_again(
    endless_host: Host, shells: SshShells
) -> None:
    lines: list[str] = []
    shell = await shells.on("prod-01")
    work = asyncio.create_task(shell.unit(UNIT, *UPDATE, on_line=lines.append))
    for logins in range(1, 5):
        await until(lambda: endless_host.logins >= logins and UNIT in endless_host.machine.units)  # noqa: B023
        await endless_host.cut()
    endless_host.end(UNIT)
    await work
    assert lines == (endless_host.machine.files.read(LOG) or "").splitlines()
    assert sum(line.startswith("systemd-run") for line in endless_host.lines) == 1


async def test_a_start_whose_answer_was_lost_is_not_made_twice(
    host: Host, shells: SshShells
) -> None:
    async def lose(line: str, stdin: bytes) -> tuple[bytes, bytes, int]:
        answer = await host.simulate(line, stdin)
        if line.startswith("systemd-run"):
            host.answers = host.simulate
            await host.cut()
        return answer

    host.answers = lose
    lines: list[str] = []
    shell = await shells.on("prod-01")
    await shell.unit(UNIT, *UPDATE, on_line=lines.append)
    assert lines == (host.machine.files.read(LOG) or "").splitlines()
    assert sum(line.startswith("systemd-run") for line in host.lines) == 1


async def test_a_unit_that_a_killed_daemon_left_is_attached_to(
    slow_host: Host, book: Book, shells: SshShells
) -> None:
    first = SshShells(book.lookup, poll=0.005)
    work = asyncio.create_task(
        (await first.on("prod-01")).unit(UNIT, *UPDATE, on_line=lambda line: None)
    )
    await until(lambda: UNIT in slow_host.machine.units)
    first.detach()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await first.close()
    assert UNIT in slow_host.machine.units

    lines: list[str] = []
    await (await shells.on("prod-01")).unit(UNIT, *UPDATE, on_line=lines.append)
    assert lines == (slow_host.machine.files.read(LOG) or "").splitlines()
    assert sum(line.startswith("systemd-run") for line in slow_host.lines) == 1


async def test_a_cancelled_unit_is_gone_before_the_call_ends(
    slow_host: Host, shells: SshShells
) -> None:
    shell = await shells.on("prod-01")
    work = asyncio.create_task(shell.unit(UNIT, *UPDATE, on_line=lambda line: None))
    await until(lambda: UNIT in slow_host.machine.units)
    await slow_host.cut()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert UNIT not in slow_host.machine.units


async def test_a_unit_over_its_time_is_stopped(slow_host: Host, shells: SshShells) -> None:
    shell = await shells.on("prod-01")
    with pytest.raises(TimedOut, match="was stopped"):
        await shell.unit(UNIT, *UPDATE, on_line=lambda line: None, timeout=0.15)
    assert UNIT not in slow_host.machine.units


async def test_a_unit_that_vanishes_is_not_taken_for_done(
    slow_host: Host, shells: SshShells
) -> None:
    shell = await shells.on("prod-01")
    work = asyncio.create_task(shell.unit(UNIT, *UPDATE, on_line=lambda line: None))
    await until(lambda: sum(line.startswith("tail") for line in slow_host.lines) > 1)
    del slow_host.machine.units[UNIT]
    with pytest.raises(CommandFailed, match="vanished"):
        await work


def test_lines_are_cut_at_carriage_returns_and_freed_of_colours() -> None:
    seen: list[str] = []
    lines = LineSplitter(seen.append)
    text = "\x1b[32m10%\x1b[0m\r 20%\r\nété\n\nlast".encode()
    for at in range(len(text)):
        lines.feed(text[at : at + 1])
    assert lines.offset == len(text)
    lines.end()
    assert seen == ["10%", " 20%", "été", "last"]
    assert lines.last == seen
