"""The layout: the map, small files and folders, quick starts, nothing that lies outside."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGES = ("livchat", "daemon/livchatd", "daemon/livchat_sandbox")
HEAVY = ("aiohttp", "asyncssh", "hcloud", "cloudflare", "cryptography", "yaml", "livchatd")
OURS = ("livchat", "daemon", "tests", "benchmarks", "docs")
LONGEST_FILE = 400
FULLEST_FOLDER = 20
NOUN_FOLDER = 15
"""Files in a folder with a file for each noun: twelve more nouns are coming."""
NOUN_FOLDERS = ("livchat/cli", "livchat/wire", "daemon/livchatd/api", "daemon/livchatd/operations")
BANNED = {"utils", "helpers", "common", "misc", "core", "manager", "handler", "service"}
OUTSIDE = re.compile(
    r"DESIGN(?:\.md|'s| section)|STYLE\.md|shared/facts|shared/house|(?<!CPython )\bissue \d{1,3}\b"
)


def modules(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def everything(root: Path) -> list[Path]:
    """Every Python file of the project."""
    return sorted(path for folder in OURS for path in (root / folder).rglob("*.py"))


def sources(root: Path) -> dict[str, str]:
    env = f"{root}{os.pathsep}{root / 'daemon'}"
    return {**os.environ, "PYTHONPATH": env}


def summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0] if text else ""


def drawn(root: Path) -> str:
    """The tree as docs/map.md must show it: each file with the first line of its docstring."""
    lines: list[str] = []
    for package in PACKAGES:
        lines.append(f"{package + '/':<34}{summary(root / package / '__init__.py')}")
        lines += _folder(root / package, "  ")
    return "\n".join(line.rstrip() for line in lines)


def _folder(folder: Path, indent: str) -> list[str]:
    lines: list[str] = []
    for path in sorted(folder.iterdir(), key=lambda found: found.name):
        if (path / "__init__.py").exists():
            lines.append(f"{indent + path.name + '/':<34}{summary(path / '__init__.py')}")
            lines += _folder(path, f"{indent}  ")
        elif path.suffix == ".py" and path.name != "__init__.py":
            lines.append(f"{indent + path.name:<34}{summary(path)}")
    return lines


def test_every_module_says_what_it_is(root):
    for path in modules(root):
        assert summary(path).endswith("."), f"{path}: the first line of its docstring is a sentence"


def test_an_init_file_holds_its_docstring_and_nothing_else(root):
    held = {
        str(path.relative_to(root)): len(ast.parse(path.read_text(encoding="utf-8")).body)
        for path in modules(root)
        if path.name == "__init__.py" and path.parent != root / "livchat"  # which has the version
    }
    assert {path: count for path, count in held.items() if count != 1} == {}


def test_the_map_is_the_tree(root):
    drawing = (root / "docs/map.md").read_text(encoding="utf-8")
    assert drawn(root) in drawing, "run: python tests/contract/test_layout.py"


def test_no_file_is_longer_than_400_lines(root):
    lengths = {str(p): len(p.read_text(encoding="utf-8").splitlines()) for p in everything(root)}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_folder_has_more_files_than_a_reader_takes_in(root):
    counts = Counter(str(path.parent.relative_to(root)) for path in everything(root))
    assert {folder: n for folder, n in counts.items() if n > FULLEST_FOLDER} == {}
    assert {
        folder: counts[folder] for folder in NOUN_FOLDERS if counts[folder] >= NOUN_FOLDER
    } == {}


def test_no_file_has_a_name_that_says_nothing(root):
    stems = {
        part for path in modules(root) for part in path.relative_to(root).with_suffix("").parts
    }
    assert stems & BANNED == set()


def test_a_noun_has_the_same_stem_on_every_floor(root):
    """An operation is asked for by a route of the same stem, which a client's method calls."""
    operations, routes, wire = (
        {path.stem for path in (root / folder).glob("*.py")} | _folders(root / folder)
        for folder in ("daemon/livchatd/operations", "daemon/livchatd/api", "livchat/wire")
    )
    nouns = operations - {"__init__", "operations"}
    assert nouns - routes - {"exec", "add_server"} == set(), "operations without a route's stem"
    assert routes - {"__init__", "docs", "routes", "streams", "http", "middleware", "listener"} <= (
        wire
    ), "routes without a wire module"


def _folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}


def test_nothing_refers_to_papers_outside_of_the_project(root):
    kept = [*everything(root), *(root / "docs").rglob("*.md"), root / "README.md"]
    told = {
        str(path.relative_to(root)): found[0]
        for path in [*kept, root / "pyproject.toml"]
        if path != Path(__file__) and (found := OUTSIDE.search(path.read_text(encoding="utf-8")))
    }
    assert told == {}


@pytest.mark.parametrize("entry", ["livchat.cli.main", "livchat.client.client"])
def test_the_command_line_starts_without_what_the_daemon_needs(root, entry):
    code = f"import sys, {entry}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=sources(root), check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_daemon_starts_without_what_it_may_never_need(root):
    heavy = ("asyncssh", "hcloud", "cloudflare", "cryptography", "yaml")
    code = f"import sys, livchatd.daemon; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=sources(root), check=True
    )
    assert done.stdout.strip() == "[]"


def test_dev_null_is_still_a_device():
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


if __name__ == "__main__":
    here = Path(__file__).parents[2]
    page = here / "docs" / "map.md"
    before, start, rest = page.read_text(encoding="utf-8").partition("```text\n")
    _, end, after = rest.partition("\n```\n")
    page.write_text(before + start + drawn(here) + end + after, encoding="utf-8")
