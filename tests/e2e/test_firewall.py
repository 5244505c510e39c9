"""The firewall of a real server, seen from outside: host ports, Docker's, restarts, open ports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from time import monotonic, sleep  # noqa: TID251 - ports are waited for, in bounded loops

import pytest

from tests.e2e.house import SET_UP, House, done
from tests.e2e.machine import Machine

pytestmark = pytest.mark.timeout(900)  # the first run builds the images

JOB = 400.0
ASK = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(port):
    try:
        socket.create_connection((sys.argv[1], int(port)), 3).close()
    except OSError:
        return ""
    return port
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(ask, sys.argv[2:]))
"""
OURS = ("systemctl", "restart", "livchat-firewall")


def _reached(box: Machine, *ports: int) -> set[int]:
    """Those of the ports that take a connection, asked by a process of its own."""
    words = (sys.executable, "-c", ASK, box.ip, *map(str, ports))
    told = subprocess.run(words, capture_output=True, check=True, timeout=60)
    return set(map(int, told.stdout.split()))


def _all(box: Machine) -> set[int]:
    """Those of some ports that answer from outside, once Traefik is back."""
    deadline = monotonic() + 90
    while _reached(box, 80, 443) != {80, 443} and monotonic() < deadline:
        sleep(0.2)
    return _reached(box, 22, 80, 443, 2377, 7946, 8080, 9999)


@pytest.fixture
def published(standing: House) -> Iterator[House]:
    """A machine that is set up, with a program of its own at 8080 and a container at 9999."""
    box = standing.machine
    # Python came with the updates.
    box.run("systemd-run", "--unit=web", "python3", "-m", "http.server", "8080")
    rows = box.run("docker", "image", "ls", "--format", "{{.ID}} {{.Repository}}").splitlines()
    image = next(row.split()[0] for row in rows if "socket-proxy" in row)
    socket_of = ("-v", "/var/run/docker.sock:/var/run/docker.sock:ro")
    options = ("-d", "--name=published", "--restart=always", "-p", "9999:2375", *socket_of)
    try:
        box.run("docker", "run", *options, image)
        for port in (8080, 9999):
            box.until(("ss", "-Hltn"), f":{port} ")
        yield standing
    finally:
        box.run("docker", "rm", "-f", "published")
        box.run("systemctl", "stop", "web")


def _set_up(house: House, *ports: str) -> None:
    """Set it up again with these ports open besides SSH's and the web's."""
    request = {**SET_UP, "open_ports": list(ports)}
    done(house.daemon.wait(house.daemon.submit("POST", "/api/servers/box/setup", request), JOB))


def test_nothing_but_ssh_and_the_web_is_reached_from_outside(published: House) -> None:
    box = published.machine
    assert _all(box) == {22, 80, 443}

    box.run("systemctl", "restart", "docker")
    box.until(("ss", "-Hltn"), ":9999 ")
    assert _all(box) == {22, 80, 443}

    box.run("nft", "delete", "table", "inet", "livchat")
    assert {8080, 9999} <= _all(box)
    box.run(*OURS)
    assert _all(box) == {22, 80, 443}
    # Whoever reloads the system's own rules takes ours along, and back.
    box.run("systemctl", "restart", "nftables")
    box.run("systemctl", "restart", "docker")
    assert _all(box) == {22, 80, 443}

    _set_up(published, "8080/tcp")
    assert _all(box) == {22, 80, 443, 8080}
    _set_up(published)
    assert _all(box) == {22, 80, 443}
