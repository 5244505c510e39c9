"""Machines that will not do: each is refused with a clear error before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.house import House, done
from tests.e2e.machine import Machine

pytestmark = pytest.mark.timeout(900)  # the first run builds the images


@pytest.fixture
def untouched(house: House) -> Iterator[House]:
    """A house whose machine is afterwards what the test made of it."""
    house.machine.run("useradd", "-m", "-s", "/bin/sh", "someone")
    yield house
    assert house.machine.run("sh", "-c", "command -v dockerd", check=False) == ""


@contextmanager
def nothing_changed(box: Machine) -> Iterator[None]:
    """Whatever is asked meanwhile, the machine keeps its files, packages and units."""
    units = ("systemctl", "list-units", "--all", "--plain", "--no-legend", "livchat-*")
    files, packages = box.files(), box.run("dpkg-query", "-W")
    yield
    assert box.changed(files) == []
    assert box.run("dpkg-query", "-W") == packages
    assert box.run(*units) == ""


def _refused(job: dict[str, Any], reason: str) -> dict[str, Any]:
    assert job["status"] == "failed", job["steps"]
    assert reason in job["error"]
    assert job["hint"], job["error"]
    return job


def test_a_machine_that_will_not_do_is_refused_before_anything_is_changed(
    untouched: House,
) -> None:
    house, box = untouched, untouched.machine

    wrong = _other_key(box)
    with nothing_changed(box):
        _refused(house.add(name="wrong", private_key=wrong), "refuses our key")

    _let_in(box, "someone")
    with nothing_changed(box):
        _refused(house.add(name="powerless", user="someone"), "sudo")

    with _listening(box, 80), nothing_changed(box):
        _refused(house.add(name="taken"), "port 80 is taken by systemd")

    with _full_disk(box), nothing_changed(box):
        _refused(house.add(name="full"), "0.0 GB are free under /var/lib/docker")

    with _docker_that_says(box, "19.03.15"), nothing_changed(box):
        _refused(house.add(name="old"), "its Docker is 19.03.15; 20.10 is the oldest that serves")

    # None of them was left behind as a server.
    assert house.daemon.request("GET", "/api/servers").json["servers"] == {}


def test_a_machine_that_no_longer_will_do_is_refused_at_its_set_up(untouched: House) -> None:
    house, box = untouched, untouched.machine
    done(house.add())

    with _full_disk(box), nothing_changed(box):
        _refused(house.set_up(), "0.0 GB are free under /var/lib/docker")

    with _listening(box, 443), nothing_changed(box):
        _refused(house.set_up(), "port 443 is taken by systemd")

    box.run("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    house.daemon.restart()
    with nothing_changed(box):
        changed = _refused(house.set_up(), "another host key")
    assert changed["error_code"] == "host_key_changed"


def _other_key(box: Machine) -> str:
    box.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/other")
    return box.run("cat", "/root/other") + "\n"


def _let_in(box: Machine, user: str) -> None:
    """A user who logs in with root's key, and may do nothing more."""
    keys = box.run("cat", "/root/.ssh/authorized_keys")
    box.run("install", "-d", "-o", user, "-m", "700", f"/home/{user}/.ssh")
    box.run(
        *("install", "-o", user, "-m", "600", "/dev/stdin", f"/home/{user}/.ssh/authorized_keys"),
        stdin=keys,
    )


@contextmanager
def _listening(box: Machine, port: int) -> Iterator[None]:
    """A program behind a port: systemd itself; what would answer does not matter."""
    box.write(f"/etc/systemd/system/web{port}.socket", f"[Socket]\nListenStream={port}\n")
    box.write(f"/etc/systemd/system/web{port}.service", "[Service]\nExecStart=/bin/true\n")
    box.run("systemctl", "start", f"web{port}.socket")
    box.until(("ss", "-Hltn"), f":{port} ")
    try:
        yield
    finally:
        box.run("systemctl", "stop", f"web{port}.socket")


@contextmanager
def _full_disk(box: Machine) -> Iterator[None]:
    """A small disk of its own where Docker will keep its images, filled to the last byte."""
    box.run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", "/var/lib/docker")
    try:
        box.run("dd", "if=/dev/zero", "of=/var/lib/docker/full", "bs=1M", check=False)
        yield
    finally:
        box.run("umount", "/var/lib/docker")


@contextmanager
def _docker_that_says(box: Machine, version: str) -> Iterator[None]:
    """In place of an old Docker, which no Debian that can be had still has: its answer."""
    box.write("/usr/local/bin/docker", f"#!/bin/sh\n[ $1 = version ] && echo {version}\n", "0755")
    try:
        yield
    finally:
        box.run("rm", "/usr/local/bin/docker")
