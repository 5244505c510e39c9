"""Who we are: one id an installation, which outlives its table, and comments that fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livchat.errors import InvalidRequest
from livchatd.installation import Installation, load_installation, read_comment
from livchatd.storage.database import Database

HERE = Installation("3f9a1c2b")
LONG = "a" * 63


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "livchat.db")
    yield made
    await made.close()


async def another(path: Path) -> Database:
    return Database(path)


async def test_an_id_is_made_once(database: Database, tmp_path: Path) -> None:
    first = load_installation(database, tmp_path / "home")
    await database.write(lambda _: None)
    assert load_installation(database, tmp_path / "home") == first
    assert len(first.id) == 8
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


async def test_it_outlives_the_table(database: Database, tmp_path: Path) -> None:
    first = load_installation(database, tmp_path / "home")
    fresh = await another(tmp_path / "fresh.db")
    again = load_installation(fresh, tmp_path / "home")
    assert again.id == first.id
    assert again.created_at > first.created_at
    await fresh.close()


async def test_a_table_that_is_restored_brings_its_own(database: Database, tmp_path: Path) -> None:
    first = load_installation(database, tmp_path / "home")
    await database.write(lambda _: None)
    restored = tmp_path / "restored.db"
    database.copy_to(restored)
    elsewhere = await another(restored)
    (tmp_path / "other").write_text("a0b1c2d3\n")
    assert load_installation(elsewhere, tmp_path / "other") == first
    assert (tmp_path / "other").read_text().strip() == first.id
    await elsewhere.close()


@pytest.mark.parametrize("text", ["", "no id", "ABCDEF12", "a" * 9, "../../etc"])
async def test_a_damaged_file_is_told_and_left(
    database: Database, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "home"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match="no id of an installation"):
        load_installation(database, path)
    assert path.read_text() == text


def test_a_comment_says_who_made_it_for_what() -> None:
    said = read_comment(HERE.record_comment("prod-01", "n8n"))
    assert said is not None
    assert (said.installation_id, said.server, said.app) == ("3f9a1c2b", "prod-01", "n8n")


def test_a_comment_is_never_longer_than_cloudflare_takes() -> None:
    assert len(HERE.record_comment(LONG, "b" * 30)) <= 100
    assert HERE.record_comment(LONG, "n8n").startswith(HERE.server_comment_prefix(LONG))
    assert HERE.server_comment_prefix(LONG) != HERE.server_comment_prefix(LONG[:-1])


def test_a_server_is_never_taken_for_one_whose_name_it_begins() -> None:
    assert not HERE.record_comment("prod-01-b", "n8n").startswith(
        HERE.server_comment_prefix("prod-01")
    )


@pytest.mark.parametrize("comment", [None, "", "mine", "livchat", "livchat:a", "a:b:c:d"])
def test_other_comments_are_nobodys(comment: str | None) -> None:
    assert read_comment(comment) is None


def test_a_comment_of_an_older_version_names_no_home() -> None:
    said = read_comment("livchat:prod-01:n8n")
    assert said is not None
    assert said.installation_id is None
