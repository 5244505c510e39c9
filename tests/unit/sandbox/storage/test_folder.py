"""The sandbox's folder: one sandbox at a time, and files that are private."""

from __future__ import annotations

import shutil

import pytest

from livchat_sandbox.storage.folder import Folder, FolderInUse


async def test_a_folder_has_one_sandbox_and_private_files(folder: Folder) -> None:
    folder.write_address({"token": "sandbox-x"})
    assert (folder.path / "sandbox.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FolderInUse):
        Folder(folder.path).claim()


async def test_a_folder_that_was_replaced_is_no_longer_ours(folder: Folder) -> None:
    assert folder.is_ours()
    shutil.rmtree(folder.path)
    assert not folder.is_ours()
    other = Folder(folder.path)
    other.claim()
    assert not folder.is_ours()
    assert other.is_ours()
    other.release()
