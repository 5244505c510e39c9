"""Debian 12, whose Docker is four years older: set up, brought to an app, and set up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import machine
from tests.e2e.conftest import Ground
from tests.e2e.house import House, done, looking_after
from tests.e2e.images import OLDER, Images
from tests.e2e.test_set_up import touched

pytestmark = pytest.mark.timeout(900)  # the first run builds the images


@pytest.fixture
def older(ground: Ground, tmp_path: Path) -> Iterator[House]:
    """A house with a machine that runs Debian 12."""
    with (
        machine.running(Images(OLDER).provide(), ground.registry, tmp_path) as box,
        looking_after(box, ground.registry, tmp_path / "house") as house,
    ):
        yield house


def test_debian_12_takes_a_set_up_and_apps_and_a_second_set_up_changes_nothing(
    older: House,
) -> None:
    box = older.machine
    assert OLDER in box.run("cat", "/etc/os-release")
    done(older.add())
    done(older.set_up())
    assert box.run("docker", "version", "--format", "{{.Server.Version}}").startswith("20.10.")
    assert box.run("hostname") == "box"
    # What was set there stays: without its mirror this machine has no images.
    assert json.loads(box.run("cat", "/etc/docker/daemon.json"))["registry-mirrors"]

    first = box.state()
    assert touched(done(older.set_up())) == []
    assert box.state() == first

    done(older.deploy("umami"))
    gate = older.secret("app/box/umami/gate_password")
    status, told = older.site("umm.lab.example.com", password=gate)
    assert (status, json.loads(told)) == (200, {"user": "umami", "database": "umami"})

    gone = older.daemon.submit("DELETE", "/api/servers/box/apps/umami?purge=true")
    done(older.daemon.wait(gone, 120))
    assert "umami" not in box.run("docker", "stack", "ls", "--format", "{{.Name}}")
    assert older.site("umm.lab.example.com")[0] == 404
