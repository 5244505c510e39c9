"""A daemon for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon_process import DaemonProcess, running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon with a home of its own, no delays in its sandbox."""
    with running(tmp_path / "livchat") as started:
        yield started
