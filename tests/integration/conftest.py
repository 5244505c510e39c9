"""A daemon for each test that asks for one; machines to rent for a module that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import sandbox_process
from tests.contract.sandbox_process import SandboxProcess
from tests.integration.daemon_process import DaemonProcess, running
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
