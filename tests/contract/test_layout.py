"""The house is as its plan says: the map in README, small files, quick starts."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("livchat", "daemon/livchatd", "daemon/livchat_sandbox")
HEAVY = ("aiohttp", "asyncssh", "hcloud", "cloudflare", "cryptography", "yaml", "livchatd")


def modules(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def sources(root: Path) -> dict[str, str]:
    env = f"{root}{os.pathsep}{root / 'daemon'}"
    return {**os.environ, "PYTHONPATH": env}


def summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0] if text else ""


def drawn(root: Path) -> str:
    """The tree as README must show it: each file with the first line of its docstring."""
    lines: list[str] = []
    for package in PACKAGES:
        lines.append(f"{package}/")
        for path in modules(root):
            inside = path.relative_to(root).as_posix()
            if not inside.startswith(f"{package}/"):
                continue
            parts = inside[len(package) + 1 :].split("/")
            name = "  " * len(parts) + (
                f"{parts[-2]}/" if path.name == "__init__.py" and len(parts) > 1 else parts[-1]
            )
            if path.name == "__init__.py":
                if len(parts) == 1:
                    continue
                name = "  " * (len(parts) - 1) + f"{parts[-2]}/"
            lines.append(f"{name:<34}{summary(path)}")
    return "\n".join(lines)


def test_every_module_says_what_it_is(root):
    for path in modules(root):
        assert summary(path).endswith("."), f"{path}: the first line of its docstring is a sentence"


def test_the_map_in_readme_is_the_tree(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert drawn(root) in readme, "run: python tests/contract/test_layout.py"


def test_no_file_is_longer_than_400_lines(root):
    long = [str(p) for p in modules(root) if len(p.read_text(encoding="utf-8").splitlines()) > 400]
    assert long == []


@pytest.mark.parametrize("entry", ["livchat.cli.main", "livchat.client"])
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
    readme = here / "README.md"
    before, start, rest = readme.read_text(encoding="utf-8").partition("<!-- map -->\n```text\n")
    _, end, after = rest.partition("\n```\n<!-- /map -->")
    readme.write_text(before + start + drawn(here) + end + after, encoding="utf-8")
