"""The sandbox's own life: it ends with its folder, and comes back on its ports."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from livchat_sandbox import main
from livchat_sandbox.clock import Clock


async def test_a_sandbox_ends_when_its_folder_disappears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "FOLDER_CHECK_SECONDS", 0.01)
    sandbox = main.Sandbox(tmp_path / "sandbox", Clock(0))
    await sandbox.start()
    try:
        shutil.rmtree(tmp_path / "sandbox")
        await asyncio.wait_for(sandbox.run(), 10)
    finally:
        await sandbox.stop()
    assert not (tmp_path / "sandbox").exists()


async def test_a_sandbox_comes_back_on_the_ports_that_it_had(tmp_path: Path) -> None:
    addresses_seen = []
    for _ in range(2):
        sandbox = main.Sandbox(tmp_path / "sandbox", Clock(0))
        await sandbox.start()
        addresses_seen.append(sandbox.address)
        await sandbox.stop()
    assert addresses_seen[0] == addresses_seen[1]
