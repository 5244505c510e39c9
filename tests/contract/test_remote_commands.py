"""What is sent to servers: constant programs, on the published list, fed with quoted arguments."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

SENDERS = {"run", "succeeds", "unit", "execute", "feed"}
"""The methods of a shell that send a command."""
SHELLS = {"shell", "_shell"}
FOLDERS = ("steps", "workflows", "integrations")


def _sources(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((root / "daemon" / "livchatd" / folder).rglob("*.py"))


def _sent(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr], int]]:
    """Each command that a module sends: how, its arguments (the unit's name left out), the line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        method, target = node.func.attr, ast.unparse(node.func.value).rsplit(".", 1)[-1]
        if method not in SENDERS:
            continue
        if target in SHELLS:
            yield method, node.args[1:] if method == "unit" else node.args, node.lineno
        elif method == "run" and node.args and ast.unparse(node.args[0]) == "shell":
            yield method, node.args[1:], node.lineno  # a JobUnit: its first argument is the shell


def _program(arguments: list[ast.expr], constants: dict[str, str]) -> str | None:
    """The program of a command if it is a constant."""
    first = arguments[0] if arguments else None
    if isinstance(first, ast.Starred):
        first = first.value
        if isinstance(first, ast.Name):
            return constants.get(first.id)
        if isinstance(first, ast.Tuple) and first.elts:
            first = first.elts[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return constants.get(first.id) if isinstance(first, ast.Name) else None


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names in capitals whose value is a text, or a tuple that begins with one."""
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        value: ast.expr = node.value
        if isinstance(value, ast.Tuple) and value.elts:
            value = value.elts[0]
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[node.targets[0].id] = value.value
    return found


FORWARDED = {"host_info.py": 1, "job_unit.py": 1, "shells.py": 2}
"""Where a command is passed on: questions about a host, a unit of a job, the shell itself."""


def test_every_program_that_is_sent_is_a_constant_on_the_published_list(root: Path) -> None:
    page = (root / "docs" / "remote-commands.md").read_text(encoding="utf-8")
    listed = {command.split()[0] for command in re.findall(r"`([a-z/][^`]*)`", page)}
    sent, forwarded = set(), dict.fromkeys(FORWARDED, 0)
    for path in _sources(root):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = _constants(tree)
        for _, arguments, line in _sent(tree):
            program = _program(arguments, constants)
            if program is None:
                assert path.name in FORWARDED, f"{path.name}:{line}: the program is not a constant"
                forwarded[path.name] += 1
            else:
                sent.add(program)
    assert len(sent) > 20, "the commands were not found: this test looks in the wrong place"
    assert sent <= listed, f"not in docs/remote-commands.md: {sorted(sent - listed)}"
    assert all(forwarded[name] <= most for name, most in FORWARDED.items()), forwarded


def test_no_command_is_put_together_as_text(root: Path) -> None:
    for path in _sources(root):
        text = path.read_text(encoding="utf-8")
        assert "shell=True" not in text, path.name
        for found in re.findall(
            r"[\"'](?:sh|bash|/bin/sh|/bin/bash)[\"'],\s*[\"']-c[\"'],\s*(.+)", text
        ):
            # The one shell that is sent runs what a person typed, which comes by its input.
            assert found.startswith("'eval -- \"$(cat)\"'"), f"{path.name}: {found}"


HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from(";$()`|&<>\n\t'\"{}[]*?!~#\\- "),
        st.characters(codec="utf-8", exclude_characters="\x00"),
    ),
    max_size=40,
)


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_arguments_reach_a_program_as_they_are_whatever_they_hold(words: list[str]) -> None:
    # As the shell of a server reads what `SshShell` sends.
    line = shlex.join(["printf", r"%s\0", *words])
    told = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert told.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == words
