"""A daemon for each test that asks for one; machines to rent for a module that asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from livchatd.integrations.ssh.shells import SshShells
from tests.contract import sandbox_process
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.integrations.ssh_host import Book, Host
from tests.integration.own_machine import Landlord


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon with a home of its own, no delays in its sandbox."""
    with running(tmp_path / "livchat") as started:
        yield started


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox that no daemon started."""
    with sandbox_process.running(tmp_path_factory.mktemp("s") / "sandbox") as found:
        yield found


@pytest.fixture(scope="module")
def landlord(sandbox: SandboxProcess) -> Landlord:
    """Who rents machines in it."""
    return Landlord(sandbox)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A server with SSH whose machine answers at once."""
    made = Host()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def book(host: Host) -> Book:
    """Where that server is."""
    return Book(host.endpoint())


@pytest.fixture
async def shells(book: Book) -> AsyncIterator[SshShells]:
    """Shells on the servers of the book."""
    made = SshShells(book.lookup, poll=0.005)
    yield made
    await made.close()
