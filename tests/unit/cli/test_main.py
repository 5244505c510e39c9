"""The page of commands: help with an example for each, and exit codes for what is mistyped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from livchat.cli.main import COMMANDS, cli, run, wants_json


def commands() -> Iterator[tuple[str, Any]]:
    root: Any = get_command(cli)
    for name in COMMANDS:
        command = root.get_command(None, name)
        for verb, found in getattr(command, "commands", {"": command}).items():
            yield f"{name} {verb}".strip(), found


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_help_with_an_example_of_itself(name: str) -> None:
    told = ALL[name].help
    first, _, rest = told.partition("\n")
    assert first[0].isupper()
    assert first.endswith(".")
    assert f"Example: livchat {name}" in rest


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"daemon run", "mcp", "server ssh"}))
def test_every_command_takes_an_output(name: str) -> None:
    assert any("-o" in option.opts for option in ALL[name].params)


@pytest.mark.parametrize("name", ALL)
def test_no_command_takes_a_secret_as_an_argument(name: str) -> None:
    for option in ALL[name].params:
        assert option.name not in {"token", "password", "api_key", "api_token", "secret"}


@pytest.mark.parametrize(
    "line", ["nothing", "job show", "job list --nothing", "server create a -o x"]
)
def test_what_is_mistyped_is_exit_2_with_a_hint(
    capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert run(line.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) <= 4
    assert "--help" in told.err.splitlines()[-1]


def test_a_near_miss_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["servre", "list"]) == 2
    assert "server" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["--help", "job --help", "up --help", "--version"])
def test_help_and_version_are_results(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert run(line.split()) == 0
    assert "livchat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "noticed"),
    [
        ("job list -o json", True),
        ("job list --output=json", True),
        ("job list -ojson", True),
        ("job list", False),
        ("server exec a -- cat -o json", False),
    ],
)
def test_json_is_noticed_before_the_dashes_only(line: str, noticed: object) -> None:
    assert wants_json(line.split()) is noticed
