"""A folder that a test has claimed for a sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livchat_sandbox.storage.folder import Folder


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    folder = Folder(tmp_path / "sandbox")
    folder.claim()
    yield folder
    folder.release()
