"""A real Debian to work on, where Docker can run; elsewhere these tests are skipped by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import images, machine
from tests.e2e.house import House, looking_after
from tests.e2e.images import Images
from tests.e2e.machine import Machine


def _wanting() -> str | None:
    """What is missing for these tests, if anything."""
    if os.environ.get("LIVCHAT_E2E") == "0":
        return "LIVCHAT_E2E is 0"
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a real server in a container needs root on Linux"
    for program in ("docker", "debootstrap", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return "no Docker engine answers: start dockerd" if asked.returncode else None


@dataclass(frozen=True)
class Ground:
    """What all machines stand on."""

    images: Images
    registry: str


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """The images, built once, and the registry that gives them."""
    wanting = _wanting()
    if wanting:
        pytest.skip(wanting)
    made = Images().provide()
    with images.registry(made.registry) as registry:
        yield Ground(made, registry)


@pytest.fixture
def box(ground: Ground, tmp_path: Path) -> Iterator[Machine]:
    """A fresh machine."""
    with machine.running(ground.images, ground.registry, tmp_path) as made:
        yield made


@pytest.fixture
def house(ground: Ground, box: Machine, tmp_path: Path) -> Iterator[House]:
    """A daemon that may look after the machine."""
    with looking_after(box, ground.registry, tmp_path / "house") as made:
        yield made
