"""The page of settings is the model and the environment that the code reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from livchat.errors import InvalidRequest
from livchatd.settings import Settings, read_settings

READ = re.compile(r'environ(?:\.get\(|\.pop\(|\[)\s*"([A-Z_]+)"|\benvironment\.pop\(\s*"([A-Z_]+)"')
PROTOCOLS = {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
"""What systemd says to a service; no user sets it."""
IN_A_LOOP = {"LC_ALL", "LC_MESSAGES", "LANG", "CI", "NO_COLOR"}


def rows(root: Path, title: str) -> list[list[str]]:
    page = (root / "docs/reference/settings.md").read_text("utf-8")
    table = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_key_is_on_the_page_with_its_default(root: Path) -> None:
    told = {
        cells[0].strip("`"): json.loads(cells[1].strip("`"))
        for cells in rows(root, "settings.json")
    }
    assert told == Settings().model_dump()


def test_every_variable_that_the_code_reads_is_on_the_page_and_no_other(root: Path) -> None:
    sources = [path for part in ("livchat", "daemon") for path in (root / part).rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    read = {name for pair in READ.findall(text) for name in pair if name}
    assert all(f'"{name}"' in text for name in IN_A_LOOP)
    cells = " ".join(row[0] for row in rows(root, "Environment"))
    assert sorted(re.findall(r"`([A-Z_]+)`", cells)) == sorted((read - PROTOCOLS) | IN_A_LOOP)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"call_timout": 3}', "call_timout"),
        ('{"call_timeout": 0}', "call_timeout"),
        ('{"call_timeout": 3601}', "call_timeout"),
        ('{"patience": "long"}', "patience"),
        ('{"email": "nobody"}', "email"),
        ('{"default_provider": "a b"}', "default_provider"),
        ("{", "line 1 column 2"),
        ("[]", "dictionary"),
    ],
)
def test_what_cannot_be_used_names_the_key_and_the_file(
    tmp_path: Path, text: str, word: str
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequest) as told:
        read_settings(path)
    assert str(path) in str(told.value)
    assert word in str(told.value)
    assert told.value.hint == f"edit {path}"
