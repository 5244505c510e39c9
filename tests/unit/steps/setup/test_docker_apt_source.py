"""Where Docker's packages come from, for each system."""

from __future__ import annotations

import pytest

from livchatd.steps.setup.docker_apt_source import source
from livchatd.steps.setup.host_info import parse_release
from livchatd.steps.setup.packages import distributed

RELEASES = {
    "bookworm": ("debian", "12"),
    "trixie": ("debian", "13"),
    "jammy": ("ubuntu", "22.04"),
    "noble": ("ubuntu", "24.04"),
}


def release(suite: str) -> str:
    system, number = RELEASES[suite]
    return f'ID={system}\nVERSION_ID="{number}"\nVERSION_CODENAME={suite}\n'


@pytest.mark.parametrize("suite", RELEASES)
def test_the_source_names_the_system_its_suite_and_the_key(suite):
    text = source(parse_release(release(suite)))
    fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert fields["URIs"] == f"https://download.docker.com/linux/{RELEASES[suite][0]}"
    assert (fields["Types"], fields["Suites"], fields["Components"]) == ("deb", suite, "stable")
    assert fields["Signed-By"].startswith("/usr/share/keyrings/")


@pytest.mark.parametrize(
    ("suite", "packages"),
    [
        ("bookworm", ("docker.io",)),
        ("trixie", ("docker.io", "docker-cli")),
        ("jammy", ("docker.io",)),
        ("noble", ("docker.io",)),
    ],
)
def test_the_command_line_is_apart_from_debian_13_on(suite, packages):
    assert distributed(release(suite)) == packages
